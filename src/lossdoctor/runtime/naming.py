"""Short names for the intermediates of a loss: the variable that a statement assigns, else the code itself."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import lru_cache

from lossdoctor.graph.ir import Node, Span
from lossdoctor.subject.locate import source_of

_LONGEST = 48  # characters of code in a name


def names_of(nodes: Sequence[Node]) -> list[str]:
    """A name for each node, no two alike."""
    return unique([_name(node) for node in nodes], " ({})")


def unique(names: Sequence[str], more: str = "_{}") -> list[str]:
    """The names; one that was there before has its number behind it."""
    found: list[str] = []
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else name + more.format(seen[name]))
    return found


def _name(node: Node) -> str:
    if node.op == "input":
        key = node.attrs.get("key")
        return f"{node.attrs['role']}.{key}" if key else str(node.attrs["role"])
    span = node.span
    text = (assigned(span) if span is not None else "") or node.call
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def assigned(span: Span) -> str:
    """The variable that gets the value of a whole expression; "" where there is none."""
    return _targets(span.path).get((span.line, span.column), {}).get((span.end_line, span.end_column), "")


@lru_cache(maxsize=32)
def _targets(path: str) -> dict[tuple[int, int], dict[tuple[int, int], str]]:
    """For each expression that is assigned to a plain name, by start and end: the name."""
    source = source_of(path)
    found: dict[tuple[int, int], dict[tuple[int, int], str]] = {}
    if source is None:
        return found
    for node in ast.walk(ast.parse(source.text)):
        value = getattr(node, "value", None)
        if not isinstance(node, ast.Assign | ast.AnnAssign) or value is None:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name):
            start = (value.lineno, value.col_offset + 1)
            found.setdefault(start, {})[value.end_lineno or 0, (value.end_col_offset or 0) + 1] = target.id
    return found
