"""Reading the arguments of a call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from lossdoctor.source.module import SourceModule
from lossdoctor.source.parsed import nodes


def argument(node: ast.Call, keyword: str, position: int) -> ast.expr | None:
    """The argument given by name, or at a position from 0."""
    for item in node.keywords:
        if item.arg == keyword:
            return item.value
    if position < len(node.args) and not any(isinstance(value, ast.Starred) for value in node.args[: position + 1]):
        return node.args[position]
    return None


def literal_arguments(node: ast.Call, module: SourceModule) -> str | None:
    """The arguments as source, if all are literals or constants of the module; None otherwise."""
    parts: list[str] = []
    for value in node.args:
        literal = module.literal(value)
        if literal is None:
            return None
        parts.append(repr(literal))
    for item in node.keywords:
        literal = module.literal(item.value)
        if item.arg is None or literal is None:
            return None
        parts.append(f"{item.arg}={literal!r}")
    return ", ".join(parts)


@lru_cache(maxsize=16)
def compiled_losses(module: SourceModule) -> tuple[ast.expr, ...]:
    """What the module passes to `compile` as losses, those of a list or table one by one."""
    return tuple(_compiled(module))


def _compiled(module: SourceModule) -> Iterator[ast.expr]:
    for node in nodes(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "compile":
            loss = argument(node, "loss", 1)
            if isinstance(loss, ast.List | ast.Tuple):
                yield from loss.elts
            elif isinstance(loss, ast.Dict):
                yield from loss.values
            elif loss is not None:
                yield loss
