"""The syntax tree of a text, made once.

Several readers look at the same file: a library's file of three thousand lines takes hundredths of a second to parse,
and every loss of it would take them again. Nobody changes a tree.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T", bound=ast.AST)


@lru_cache(maxsize=16)
def parsed(text: str) -> ast.Module:
    """The tree of Python source; raises what `ast.parse` raises."""
    return ast.parse(text)


@lru_cache(maxsize=16)
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All nodes of a tree, in the order of `ast.walk`."""
    return tuple(ast.walk(tree))


@lru_cache(maxsize=64)
def nodes_of(tree: ast.Module, *kinds: type[T]) -> tuple[T, ...]:
    """The nodes of these kinds, in the same order."""
    return tuple(node for node in nodes(tree) if isinstance(node, kinds))


@lru_cache(maxsize=16)
def classes(tree: ast.Module) -> Mapping[str, ast.ClassDef]:
    """The classes that a file defines, by their qualified names; of several of one name the first."""
    found: dict[str, ast.ClassDef] = {}

    def visit(node: ast.AST, outer: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = outer
            if isinstance(child, ast.ClassDef):
                found.setdefault(f"{outer}{child.name}", child)
                name = f"{outer}{child.name}."
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{outer}{child.name}.<locals>."
            if not isinstance(child, ast.expr):
                visit(child, name)

    visit(tree, "")
    return found


def parsed_file(path: str | Path) -> ast.Module:
    """The tree of a file as it is now; raises what reading and parsing raise."""
    return parsed(Path(path).read_text(encoding="utf-8"))
