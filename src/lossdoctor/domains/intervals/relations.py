"""Known relations between arguments that an interval of each alone forgets.

They look at the graph: the same node on both sides, x - max(x), a / sum(a), E[x^2] - E[x]^2, and facts about slices
(a softmax sums to one, exp(x - max(x)) has a one in each slice) that elementwise operations keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lossdoctor.domains.intervals import arithmetic as arith
from lossdoctor.domains.intervals import elementwise, moments, reductions, sizes
from lossdoctor.domains.intervals.enclosure import (
    Enclosure,
    SliceFact,
    is_float,
    limited,
    tiniest,
    unit_roundoff,
)
from lossdoctor.graph.ir import Graph, Node
from lossdoctor.ops.table import TABLE

_TRANSPARENT = frozenset({"identity", "stop_gradient", "check_numerics"})
_POLES = frozenset({"rsqrt", "reciprocal", "divide"})
# A sum starts at +0, and +0 + -0 is +0; a product of a number with itself has the sign +.
_NEVER_MINUS_ZERO = frozenset(
    {"sum", "square", "squared_difference", "abs", "exp", "sigmoid", "softmax", "softplus", "vector_norm", "dims"}
)
_RESHAPES = frozenset({"reshape", "expand_dims", "squeeze"})


def origin(graph: Graph, number: int) -> int:
    """The node behind identities."""
    node = graph[number]
    while node.op in _TRANSPARENT:
        node = graph[node.args[0]]
    return node.id


def refine(node: Node, result: Enclosure, args: Sequence[Enclosure], graph: Graph, at: Callable[[int], Enclosure]
           ) -> Enclosure:  # fmt: skip
    """The result of an elementwise node with what relations add; `at` gives the enclosure of any earlier node."""
    if node.op == "equal":
        for left, right in (node.args, node.args[::-1]):
            axes = _fold_of(left, right, "max", graph, at) or _fold_of(left, right, "min", graph, at)
            if axes is not None and at(left).bounded.all():
                return replace(result, peak=SliceFact(axes, 1.0, 1.0))  # the extreme is one of them
        return result
    if not is_float(node.dtype):
        return result
    if node.op in _POLES and _unsigned_zero(node.args[-1], graph, at):
        result = _right_of_pole(node, result, args)
    if node.op in ("subtract", "squared_difference") and origin(graph, node.args[0]) == origin(graph, node.args[1]):
        zero = np.zeros_like(result.low)
        return replace(result, low=zero, high=zero, nan=args[0].nan | arith.infinite(args[0]) | zero.astype(bool))
    if node.op == "subtract":
        axes = _maximum_of(node, graph, at)
        if axes is not None:
            result = limited(result, high=0.0)
            return replace(result, peak=SliceFact(axes, 0.0, 0.0))
    if node.op in ("add", "subtract"):
        least = moments.least(node, graph, at)
        if least is not None:
            return limited(result, low=least)
    if node.op == "multiply" and origin(graph, node.args[0]) == origin(graph, node.args[1]):
        return arith.square(args[0], node.dtype)
    if node.op == "divide" and (args[0].low >= 0.0).all():
        axes = _fold_of(node.args[0], node.args[1], "sum", graph, at)
        if axes is not None:
            # Adding nonnegative numbers never comes back below one of them, so the quotient is at most 1.
            gamma = 2.0 * sizes.count(node.shape, axes)[1] * unit_roundoff(node.dtype)
            # A sum that overflows makes all quotients 0.
            sums = gamma < 0.01 and not result.nan.any() and args[1].bounded.all()
            total = SliceFact(axes, 1.0 - gamma, 1.0 + gamma) if sums else None
            return replace(limited(result, 0.0, 1.0), total=total)
    return _kept_facts(node, result, args, graph)


def _unsigned_zero(number: int, graph: Graph, at: Callable[[int], Enclosure], depth: int = 4) -> bool:
    """Whether no element can be -0.0."""
    node = graph[origin(graph, number)]
    if node.op in _NEVER_MINUS_ZERO or not arith.holds(at(node.id), 0.0).any():
        return True
    if depth and node.op in _RESHAPES | {"broadcast_to"}:
        return _unsigned_zero(node.args[0], graph, at, depth - 1)
    if depth and node.op == "add":  # only -0 + -0 is -0
        return any(_unsigned_zero(arg, graph, at, depth - 1) for arg in node.args)
    return False


def _right_of_pole(node: Node, result: Enclosure, args: Sequence[Enclosure]) -> Enclosure:
    """A pole at +0 of a denominator that is not negative: the quotient goes to +inf only (for a positive numerator)."""
    base = args[-1]
    one_sided = arith.holds(base, 0.0) & (base.low >= 0.0)
    if node.op == "rsqrt" or node.op == "reciprocal":
        safe = one_sided
        least = 1.0 / np.sqrt(base.high) if node.op == "rsqrt" else 1.0 / base.high
    else:
        safe = one_sided & (args[0].low > 0.0)
        least = args[0].low / base.high
    # Near the denormals a reciprocal is far less accurate; see `arithmetic.reciprocal`.
    usable = safe & np.isfinite(least) & (least > tiniest(node.dtype) * 2.0**40)
    low = np.where(usable, least * (1.0 - 8.0 * unit_roundoff(node.dtype)), 0.0)
    return replace(result, low=np.where(safe, np.maximum(result.low, low), result.low))


def _maximum_of(node: Node, graph: Graph, at: Callable[[int], Enclosure]) -> tuple[int, ...] | None:
    return _fold_of(node.args[0], node.args[1], "max", graph, at)


def _fold_of(of: int, number: int, op: str, graph: Graph, at: Callable[[int], Enclosure]) -> tuple[int, ...] | None:
    """The axes if node `number` is the fold of node `of` over them, laid out so that it meets its own slices."""
    source, node = graph[origin(graph, of)], graph[origin(graph, number)]
    while True:
        if node.op in _TRANSPARENT or node.op in _RESHAPES:
            node = graph[node.args[0]]
        elif node.op == "where" and _replaces_infinities(node, graph, at):
            node = graph[node.args[1]]
        else:
            break
    if node.op != op or origin(graph, node.args[0]) != source.id or source.shape is None:
        return None
    axes = reductions.axes_of(node, len(source.shape))
    if axes is None:
        return None
    kept = tuple(1 if axis - len(source.shape) in axes else dim for axis, dim in enumerate(source.shape))
    return axes if sizes.same(graph[number].shape, kept) else None


def _replaces_infinities(node: Node, graph: Graph, at: Callable[[int], Enclosure]) -> bool:
    """where(isfinite(m), m, ...) for an m that is always finite."""
    condition = graph[origin(graph, node.args[0])]
    return (
        condition.op == "isfinite"
        and origin(graph, condition.args[0]) == origin(graph, node.args[1])
        and bool(at(node.args[1]).bounded.all())
    )


def _kept_facts(node: Node, result: Enclosure, args: Sequence[Enclosure], graph: Graph) -> Enclosure:
    """Facts about slices that this operation keeps."""
    first = args[0]
    if not sizes.same(graph[node.args[0]].shape, node.shape):
        return result
    if first.peak is not None and len(args) == 1:
        row = TABLE.by_name.get(node.op)
        if row is not None and row.trend == (1,):
            point = Enclosure(np.array([first.peak.low]), np.array([first.peak.high]), np.array([False]))
            moved = elementwise.transfer(node, [point])
            if moved is not None and moved.bounded.all():
                result = replace(result, peak=SliceFact(first.peak.axes, float(moved.low[0]), float(moved.high[0])))
    if (
        first.total is not None
        and len(args) == 2
        and args[1].low.size == 1
        and node.op in ("maximum", "minimum", "add")
    ):
        result = replace(result, total=_shifted(node, first.total, args[1], graph))
    if first.total is not None and node.op == "clip" and all(arg.low.size == 1 for arg in args[1:]):
        raised = _shifted(replace(node, op="maximum"), first.total, args[1], graph)
        if raised is not None:
            result = replace(result, total=_shifted(replace(node, op="minimum"), raised, args[2], graph))
    return result


def _shifted(node: Node, total: SliceFact, other: Enclosure, graph: Graph) -> SliceFact | None:
    """The total of max(a, c), min(a, c) or a + c for a nonnegative tensor a and numbers c >= 0."""
    low, high = float(other.low[0]), float(other.high[0])
    if low < 0.0 or bool(other.nan[0]) or not np.isfinite(high):
        return None
    count = sizes.count(graph[node.args[0]].shape, total.axes)
    gamma = 1.0 + 4.0 * unit_roundoff(node.dtype)
    if node.op == "minimum":
        # Either nothing is cut, or what is cut leaves at least c.
        return SliceFact(total.axes, min(total.low, low), total.high)
    least = count[0] * low / gamma if node.op == "add" else 0.0
    return SliceFact(total.axes, total.low / gamma + least, (total.high + count[1] * high) * gamma)


def weighted(node: Node, graph: Graph, at: Callable[[int], Enclosure]) -> tuple[float, float] | None:
    """Bounds of sum(a * f) where a is not negative and its slices have a known total: a weighted mean of f."""
    product = graph[origin(graph, node.args[0])]
    if product.op != "multiply" or product.shape is None:
        return None
    axes = reductions.axes_of(node, len(product.shape))
    for number, other in (product.args, product.args[::-1]):
        weight, factor = at(number), at(other).joined()
        total = weight.total
        if total is None or axes is None or set(total.axes) != set(axes):
            continue
        gamma = 4.0 * sizes.count(product.shape, axes)[1] * unit_roundoff(node.dtype)
        if not sizes.same(graph[number].shape, product.shape) or gamma > 0.01 or not factor.bounded[0]:
            continue
        low, high = float(factor.low[0]), float(factor.high[0])
        # Rounding is relative to the sum of magnitudes, at most total * max |f|; products may underflow.
        slack = gamma * total.high * max(abs(low), abs(high)) + 1e-30
        ends = [total.low * low, total.high * low], [total.low * high, total.high * high]
        lower, upper = min(ends[0]) - slack, max(ends[1]) + slack
        if low >= 0.0:
            # Of one sign the error is relative to the sum itself.
            lower = max(lower, total.low * low * (1.0 - gamma) - 1e-30, 0.0)
        return lower, upper
    return None
