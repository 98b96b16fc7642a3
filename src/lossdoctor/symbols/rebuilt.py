"""A declared formula, simplified by the identities by which the formula of a graph is: so that both look alike."""

from __future__ import annotations

from lossdoctor.formula.expression import Expression
from lossdoctor.formula.parse import REDUCTIONS, UNARY
from lossdoctor.graph.ir import Dim
from lossdoctor.spec import Contract, Spec
from lossdoctor.symbols.algebra import Algebra, Shape, broadcast
from lossdoctor.symbols.identities import COMPARISONS
from lossdoctor.symbols.lower import Outside, lower, sizes_in

_BINARY = ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum")
_ELEMENTWISE = frozenset({*UNARY, *_BINARY, *COMPARISONS, "negative", "where"})


class _Unknown(Exception):
    """A part whose shape or meaning the algebra does not follow."""


def rebuilt(root: Expression, contract: Contract) -> Expression | None:
    """The same function, simplified and in the grammar; None where it has parts that are not followed."""
    if not isinstance(contract.y_true, Spec) or not isinstance(contract.y_pred, Spec):
        return None
    shapes: dict[str, Shape] = {"y_true": contract.y_true.dims, "y_pred": contract.y_pred.dims}
    algebra = Algebra()
    known: dict[Expression, Expression] = {}
    try:
        for part in root.walk_once():
            known[part] = _built(algebra, part, [known[arg] for arg in part.args], shapes)
        inputs = [one for one in known.values() if one.op == "input"]
        return lower(algebra, known[root], sizes_in(algebra, inputs))
    except (_Unknown, Outside):
        return None


def _built(a: Algebra, part: Expression, args: list[Expression], shapes: dict[str, Shape]) -> Expression:
    rank = len(a.shapes[args[0]]) if args else 0
    if part.axis is not None and any(not -rank <= axis < rank for axis in part.axis):
        raise _Unknown
    match part.op:
        case "number":
            return a.raw("number", number=part.number)  # as the algebra's own are made
        case "input":
            return a.raw("input", (), shapes[part.role], role=part.role)
        case "both":
            return a.elementwise("and", *args)
        case "clip":
            return a.raw("clip", args)
        case "one_hot":
            return a.raw("one_hot", args, (*a.shapes[args[0]], part.size), size=part.size)
        case "softmax" | "log_softmax":
            places = a.places(part.axis, rank)
            return a.raw(part.op, args, axis=(-1,) if places == (rank - 1,) else places)
        case _:
            pass
    if part.op in REDUCTIONS:
        if any(not _certain(dim) for dim in a.shapes[args[0]]):
            raise _Unknown
        return a.fold(part.op, args[0], part.axis, part.keepdims)
    if part.op in _ELEMENTWISE and _certain(*broadcast(*(a.shapes[arg] for arg in args))):
        return a.elementwise(part.op, *args)
    raise _Unknown


def _certain(*dims: Dim) -> bool:
    return "?" not in dims
