"""The additive terms of a loss, each with its own answer to "does it train anything?".

Gradients add up: a term without gradient is silent in the total. The walk goes back from the loss value through
operations that are linear in what depends on y_pred, so that value = sum of the terms, up to reductions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossdoctor.domains.dependence import Cut, Dependence, cuts, dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph, Node

_SUMS = frozenset({"add", "add_n", "sum", "mean", "concat", "stack", "identity"})
# Move elements (or change their dtype), chosen by arguments that must not depend on y_pred.
_MOVES = frozenset(
    {"reshape", "squeeze", "expand_dims", "permute_dims", "broadcast_to", "tile", "slice", "strided_slice", "take",
     "flip", "roll", "pad", "astype", "check_numerics", "ensure_shape"}
)  # fmt: skip
_LIMIT = 64  # terms; a loss with more is a loop over something, not a sum of ideas


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of the loss value."""

    node: int
    sign: int  # +1 or -1; 0 where a factor of unknown sign multiplies it
    weight: float | None  # product of the constant factors with sign; None where a factor is not a constant
    depends: bool  # its value depends on y_pred
    connected: bool  # gradient flows from y_pred to it
    cut: Cut | None  # for an unconnected term that depends on y_pred: the responsible cut nearest to y_pred


def terms(loss: LossGraph, reading: Reading[Dependence] | None = None) -> tuple[Term, ...]:
    """The additive terms of the loss value, in the order of the graph.

    A term that depends on y_pred and is not connected contributes no gradient; `cut.reason` "stop" says that the
    author meant it (stop_gradient).
    """
    values = reading or dependence(loss)
    weights: dict[int, float | None] = {}
    signs: dict[int, int] = {}
    leaves: dict[int, None] = {}
    stack: list[tuple[int, int, float | None]] = [(loss.value, 1, 1.0)]
    visits = 0
    while stack:
        place, sign, weight = stack.pop()
        visits += 1
        node = loss[place]
        parts = _split(loss, node, values) if visits < 32 * _LIMIT and len(leaves) < _LIMIT else None
        if parts is None:
            known = place in leaves
            leaves[place] = None
            signs[place] = sign if not known or signs[place] == sign else 0
            old = weights.get(place, 0.0)
            weights[place] = None if old is None or weight is None else old + weight
            continue
        for part, factor in parts:
            total = None if weight is None or factor is None else weight * factor
            stack.append((part, 0 if factor is None else sign * int(np.sign(factor)), total))
    all_cuts = cuts(loss, values)
    return tuple(_term(loss, place, signs[place], weights[place], values, all_cuts) for place in sorted(leaves))


def _split(loss: LossGraph, node: Node, values: Reading[Dependence]) -> list[tuple[int, float | None]] | None:
    """The parts whose (weighted) sum the node is; None for a term.

    A part's factor is 1 or -1, a constant, or None for "multiplied by something that is not a constant".
    """
    if not values[node].y_pred or not node.args or node.attrs.get("custom"):
        return None
    args = node.args
    if node.op in _SUMS:
        return [(arg, 1.0) for arg in args if loss[arg].op != "dims"]
    if node.op == "subtract":
        return [(args[0], 1.0), (args[1], -1.0)]
    if node.op == "negative":
        return [(args[0], -1.0)]
    if node.op in ("divide", "divide_no_nan") and not values[args[1]].y_pred:
        scale = _constant(loss[args[1]])
        return [(args[0], 1.0 / scale if scale else None)]
    if node.op == "multiply":
        for part, other in ((args[0], args[1]), (args[1], args[0])):
            if not values[other].y_pred:
                return [(part, _constant(loss[other]))]
        return None
    if node.op == "where" and len(args) == 3 and not values[args[0]].y_pred:
        return [(args[1], 1.0), (args[2], 1.0)]
    moved = node.op in _MOVES and _same_dtype_class(loss[args[0]], node)
    if moved and not any(values[arg].y_pred for arg in args[1:]):
        return [(args[0], 1.0)]
    return None


def _same_dtype_class(argument: Node, result: Node) -> bool:
    """A cast from an integer or bool ends the walk: there the term, and its cut, are named."""
    return argument.dtype.startswith(("float", "bfloat")) == result.dtype.startswith(("float", "bfloat"))


def _constant(node: Node) -> float | None:
    """The number that a constant node holds in all its elements."""
    value = node.constant
    if node.op != "constant" or value is None or value.size == 0 or value.dtype.kind not in "fiub":
        return None
    first = float(value.flat[0])
    return first if bool(np.all(value == value.flat[0])) else None


def _term(
    loss: LossGraph,
    place: int,
    sign: int,
    weight: float | None,
    values: Reading[Dependence],
    all_cuts: tuple[Cut, ...],
) -> Term:
    value = values[place]
    responsible: Cut | None = None
    if value.y_pred and not value.connected:
        before = loss.graph.ancestors(place)
        reason = "stop" if value.link == "stopped" else "none"
        own = [cut for cut in all_cuts if cut.node in before]
        responsible = next((cut for cut in own if cut.reason == reason), own[0] if own else None)
    return Term(place, sign, weight, bool(value.y_pred), value.connected, responsible)
