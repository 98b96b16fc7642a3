"""The syntax tree of a text, made once.

Several readers look at the same file: a library's file of three thousand lines takes hundredths of a second to parse,
and every loss of it would take them again. Nobody changes a tree.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=16)
def parsed(text: str) -> ast.Module:
    """The tree of Python source; raises what `ast.parse` raises."""
    return ast.parse(text)


@lru_cache(maxsize=16)
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All nodes of a tree, in the order of `ast.walk`."""
    return tuple(ast.walk(tree))


def parsed_file(path: str | Path) -> ast.Module:
    """The tree of a file as it is now; raises what reading and parsing raise."""
    return parsed(Path(path).read_text(encoding="utf-8"))
