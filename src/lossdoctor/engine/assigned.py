"""The variable that an expression of the source is assigned to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lossdoctor.graph.ir import Span

Place = tuple[int, int, int, int]  # line, column, end line, end column; 1-based, columns in characters


@dataclass
class Assigned:
    """Looks names up in the files of spans; each is parsed once."""

    _tables: dict[str, dict[Place, str]] = field(default_factory=dict[str, dict[Place, str]])

    def name(self, span: Span) -> str:
        """The name, "return" for what is returned, else ""."""
        if span.path not in self._tables:
            self._tables[span.path] = dict(_names(span.path))
        place = (span.line, span.column, span.end_line, span.end_column)
        return self._tables[span.path].get(place, "")


def _names(path: str) -> Iterator[tuple[Place, str]]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return
    lines = text.split("\n")
    for statement in ast.walk(tree):
        name, value = "", None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
                for one, part in zip(target.elts, statement.value.elts, strict=False):
                    if isinstance(one, ast.Name) and len(target.elts) == len(statement.value.elts):
                        yield place_of(part, lines), one.id
            name, value = (target.id if isinstance(target, ast.Name) else ""), statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name, value = statement.target.id, statement.value
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            yield place_of(statement, lines), statement.target.id
        elif isinstance(statement, ast.Return):
            name, value = "return", statement.value
        if name and value is not None:
            yield place_of(value, lines), name
            assert isinstance(statement, ast.stmt)
            yield place_of(statement, lines), name  # for AutoGraph, which knows statements only


def place_of(node: ast.expr | ast.stmt, lines: list[str]) -> Place:
    """Where a node stands, with columns in characters (ast counts UTF-8 bytes)."""

    def column(line: int, offset: int) -> int:
        return len(lines[line - 1].encode()[:offset].decode(errors="replace")) + 1

    end_line, end = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
    return node.lineno, column(node.lineno, node.col_offset), end_line, column(end_line, end)
