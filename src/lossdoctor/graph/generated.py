"""Which expression of the user's an expression of AutoGraph's code was made from.

AutoGraph says of each line of its code which line it comes from, not which columns. What it does to an expression is
little, though (`f(x)` becomes `ag__.converted_call(ag__.ld(f), (ag__.ld(x),), None, fscope)`), so the expression is
restored and looked for in the user's statement.
"""

from __future__ import annotations

import ast
import copy
import linecache
from functools import lru_cache

from lossdoctor.source.parsed import nodes_of, parsed

_MODULE = "ag__"
_SAME = ("ld", "autograph_artifact")  # what returns its argument
_LOGICAL = {"and_": ast.And, "or_": ast.Or}
Place = tuple[int, int, int, int]  # line, column, last line, end column, as `ast` counts them


@lru_cache(maxsize=65536)
def is_structure(path: str, place: Place) -> bool:
    """Whether generated code runs a branch or a loop there, of which the body is a function of its own."""
    return any(
        _called(node) not in ("", "converted_call") for node in _of_line(path, place[0]) if _place(node) == place
    )


@lru_cache(maxsize=65536)
def original(path: str, place: Place, source: str, lines: tuple[int, int]) -> Place | None:
    """The place of the expression from which the one at a place of generated code was made.

    Args:
        path: of the generated file.
        place: of an expression in it.
        source: the user's file.
        lines: first and last line of the user's statement, or of the head of a compound one.

    Returns:
        None where none is the same, or where it cannot be told which of several.
    """
    made = [(_place(node), _restored(node)) for node in _of_line(path, place[0])]
    wanted = next((form for at, form in made if at == place), None)
    if wanted is None:
        return None
    twins = [at for at, form in made if form == wanted]
    found = sorted(at for at, form in _forms(source, lines) if form == wanted)
    if len(found) == 1:
        return found[0]
    return found[sorted(twins).index(place)] if len(found) == len(twins) else None


def _of_line(path: str, line: int) -> list[ast.expr]:
    """The expressions of generated code in a line; each of its statements is one line."""
    return [node for node in _expressions(path) if node.lineno == line]


@lru_cache(maxsize=64)
def _expressions(path: str) -> tuple[ast.expr, ...]:
    try:
        tree = parsed("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError):
        return ()
    return nodes_of(tree, ast.expr)


@lru_cache(maxsize=4096)
def _forms(source: str, lines: tuple[int, int]) -> tuple[tuple[Place, str], ...]:
    inside = [node for node in _expressions(source) if lines[0] <= node.lineno and (node.end_lineno or 0) <= lines[1]]
    return tuple((_place(node), _restored(node)) for node in inside)


def _place(node: ast.expr) -> Place:
    return node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or 0


def _restored(node: ast.expr) -> str:
    """What an expression says without AutoGraph's additions."""
    return ast.dump(_Restorer().visit(copy.deepcopy(node)))


class _Restorer(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match _called(node), node.args:
            case name, [value] if name in _SAME:
                return value
            case "not_", [value]:
                return ast.UnaryOp(ast.Not(), value)
            case "if_exp", [test, ast.Lambda(body=body), ast.Lambda(body=otherwise), *_]:
                return ast.IfExp(test, body, otherwise)
            case name, [ast.Lambda(body=left), ast.Lambda(body=right)] if name in _LOGICAL:
                return _joined(_LOGICAL[name](), [left, right])
            case "converted_call", [function, positional, named, _]:
                keywords = named.keywords if isinstance(named, ast.Call) else []
                return ast.Call(function, _arguments(positional), keywords)
            case _:
                return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        return _joined(node.op, node.values)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """AutoGraph makes `a < b and b < c` of `a < b < c`."""
        self.generic_visit(node)
        operands = [node.left, *node.comparators]
        pairs: list[ast.expr] = [
            ast.Compare(left, [op], [right]) for left, op, right in zip(operands, node.ops, operands[1:], strict=False)
        ]
        return pairs[0] if len(pairs) == 1 else _joined(ast.And(), pairs)


def _joined(op: ast.boolop, values: list[ast.expr]) -> ast.BoolOp:
    """AutoGraph nests what Python writes in one row."""
    flat: list[ast.expr] = []
    for value in values:
        flat += value.values if isinstance(value, ast.BoolOp) and type(value.op) is type(op) else [value]
    return ast.BoolOp(op, flat)


def _arguments(node: ast.expr) -> list[ast.expr]:
    """`(a, b) + tuple(c)` is how AutoGraph writes the arguments `a, b, *c`."""
    match node:
        case ast.Tuple(elts=elements):
            return elements
        case ast.BinOp(left=left, right=right):
            return [*_arguments(left), *_arguments(right)]
        case ast.Call(args=[value]):
            return [ast.Starred(value, ast.Load())]
        case _:
            return [node]


def _called(node: ast.expr) -> str:
    """The function of AutoGraph's that is called, "" where it is none of them."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        module = node.func.value
        if isinstance(module, ast.Name) and module.id == _MODULE:
            return node.func.attr
    return ""
