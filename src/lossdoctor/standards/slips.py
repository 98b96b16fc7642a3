"""Formulas that are one slip away from another: what people write where they meant it.

A slip changes one thing: the arguments are exchanged, a function or a power is forgotten, a weight is that of the
other side, a sign is turned. It is made wherever the same thing stands, as a slip in a helper is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass

_FORGOTTEN = ("abs", "sqrt", "square", "log", "exp", "softplus", "sigmoid")
_INPUTS = {"t": "y_true", "p": "y_pred"}
_OTHER = {"maximum": "minimum", "minimum": "maximum"}


@dataclass(frozen=True, slots=True)
class Slip:
    """`text` is the formula with the slip; `words` follow the name of what it was made of."""

    text: str
    words: str


Change = Callable[[ast.expr], ast.expr | None]


def slips(text: str, parameters: Collection[float] = ()) -> Iterator[Slip]:
    """Every formula one slip away from a formula, each once.

    Args:
        parameters: numbers that may be others as well. A factor or an exponent of 1 instead is no slip.
    """
    tree = ast.parse(text, mode="eval").body
    seen = {ast.unparse(tree)}
    for words, change in _changes(tree, {repr(number) for number in parameters}):
        changed = ast.unparse(_Everywhere(change).visit(deepcopy(tree)))
        if changed not in seen:
            seen.add(changed)
            yield Slip(changed, words)


def _changes(tree: ast.expr, free: Collection[str]) -> Iterator[tuple[str, Change]]:
    yield "with y_true and y_pred exchanged", _exchanged
    power = next((node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and _power(node)), None)
    if power is not None:  # one change for all powers: they are the two sides of one thing
        base = ast.unparse(power.left)
        yield f"with {_complement(base)} for {base} in the power", _rebased
        if ast.unparse(power.right) not in free:
            yield f"without the power of {base}", _unpowered
            yield f"with the exponent of {base} as a factor", _multiplied
    for name in _FORGOTTEN:
        yield f"without {name}", _without(name)
    for name, other in _OTHER.items():
        yield f"with {other} for {name}", _renamed(name, other)
    yield "with the branches exchanged", _other_branch
    yield "without the 1 that is added", _without_one
    for factor in dict.fromkeys(filter(None, map(_factor, ast.walk(tree)))):
        if factor in free:
            continue
        yield f"without the factor {factor}", _without_factor(factor)
    for place in _names(tree):
        yield f"with {_INPUTS[_other_input(place)]} for {_INPUTS[place.id]} in one place", _at(place)


class _Everywhere(ast.NodeTransformer):
    """Makes a change at every place where it applies, innermost first."""

    def __init__(self, change: Change) -> None:
        self.change = change

    def generic_visit(self, node: ast.AST) -> ast.AST:
        node = super().generic_visit(node)
        changed = self.change(node) if isinstance(node, ast.expr) else None
        return node if changed is None else changed


def _power(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and not isinstance(node.left, ast.Constant)


def _exchanged(node: ast.expr) -> ast.expr | None:
    if isinstance(node, ast.Name) and node.id in ("t", "p"):
        return ast.Name("p" if node.id == "t" else "t", ast.Load())
    return None


def _rebased(node: ast.expr) -> ast.expr | None:
    """The complement in [0, 1] under every power."""
    if not (isinstance(node, ast.BinOp) and _power(node)):
        return None
    return ast.BinOp(_parsed(_complement(ast.unparse(node.left))), ast.Pow(), node.right)


def _complement(text: str) -> str:
    return text.removeprefix("1 - ") if text.startswith("1 - ") else f"1 - ({text})" if " " in text else f"1 - {text}"


def _unpowered(node: ast.expr) -> ast.expr | None:
    return node.left if isinstance(node, ast.BinOp) and _power(node) else None


def _multiplied(node: ast.expr) -> ast.expr | None:
    return ast.BinOp(node.left, ast.Mult(), node.right) if isinstance(node, ast.BinOp) and _power(node) else None


def _without(name: str) -> Change:
    def change(node: ast.expr) -> ast.expr | None:
        return node.args[0] if isinstance(node, ast.Call) and ast.unparse(node.func) == name else None

    return change


def _renamed(name: str, other: str) -> Change:
    def change(node: ast.expr) -> ast.expr | None:
        return ast.Name(other, ast.Load()) if isinstance(node, ast.Name) and node.id == name else None

    return change


def _other_branch(node: ast.expr) -> ast.expr | None:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "where" and len(node.args) == 3:
        return ast.Call(node.func, [node.args[0], node.args[2], node.args[1]], node.keywords)
    return None


def _without_one(node: ast.expr) -> ast.expr | None:
    """1 + x; not 1 - x."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        for one, rest in ((node.left, node.right), (node.right, node.left)):
            if isinstance(one, ast.Constant) and one.value == 1:
                return rest
    return None


def _factor(node: ast.AST) -> str:
    """The number that a product or a quotient has; "" for others."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        sides = (node.left, node.right) if isinstance(node.op, ast.Mult) else (node.right,)
        found = [side for side in sides if isinstance(side, ast.Constant)]
        return ast.unparse(found[0]) if found else ""
    return ""


def _without_factor(factor: str) -> Change:
    def change(node: ast.expr) -> ast.expr | None:
        if _factor(node) != factor or not isinstance(node, ast.BinOp):
            return None
        first = isinstance(node.op, ast.Mult) and isinstance(node.left, ast.Constant)
        return node.right if first else node.left

    return change


def _names(tree: ast.expr) -> Iterator[ast.Name]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in ("t", "p"):
            yield node


def _other_input(place: ast.Name) -> str:
    return "p" if place.id == "t" else "t"


def _at(place: ast.Name) -> Change:
    """The other input at this place only; copies keep the column."""

    def change(node: ast.expr) -> ast.expr | None:
        here = isinstance(node, ast.Name) and (node.lineno, node.col_offset) == (place.lineno, place.col_offset)
        return ast.Name(_other_input(place), ast.Load()) if here else None

    return change


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
