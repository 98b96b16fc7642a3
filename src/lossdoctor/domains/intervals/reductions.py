"""Transfer functions of operations that mix elements: sums, extremes, products of matrices.

Rounding: an addition rounded to nearest errs by at most u of its result, and by at most its smaller summand, so a
sequential sum of n numbers below h stays below 2nh and a tree of depth d below nh(1 + u)**d (Higham 2002, Accuracy
and Stability of Numerical Algorithms, section 4.2); `_SLACK` covers both for any n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lossdoctor.domains.intervals import arithmetic as arith
from lossdoctor.domains.intervals import sizes
from lossdoctor.domains.intervals.enclosure import (
    INF,
    Enclosure,
    SliceFact,
    anything,
    is_float,
    largest,
    made,
    unit_roundoff,
)
from lossdoctor.graph.ir import Graph, Node

Args = Sequence[Enclosure]
Rule = Callable[[Node, Args, Graph], Enclosure | None]
RULES: dict[str, Rule] = {}
_SLACK = 3.0


def rule(*names: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return register


def axes_of(node: Node, rank: int) -> tuple[int, ...] | None:
    """The reduced axes as negative numbers; None where they are data."""
    if "axis" not in node.attrs:
        return tuple(range(-rank, 0)) if len(node.args) == 1 else None
    axis = node.attrs["axis"]
    if axis is None:
        return tuple(range(-rank, 0))
    chosen = axis if isinstance(axis, tuple) else (axis,)
    numbers = [a for a in chosen if isinstance(a, int) and not isinstance(a, bool) and -rank <= a < rank]
    if len(numbers) < len(chosen):
        return None
    return tuple(sorted({a - rank if a >= 0 else a for a in numbers}))


def folded(node: Node, graph: Graph) -> tuple[tuple[int, ...] | None, sizes.Size]:
    """The reduced axes (None if unknown) and how many elements go into one."""
    shape = graph[node.args[0]].shape
    if shape is None:
        return None, sizes.count(None)
    axes = axes_of(node, len(shape))
    if axes is not None:
        return axes, sizes.count(shape, axes)
    least, most = sizes.count(shape)
    return None, (min(least, 1.0), max(most, 1.0))


def total_of(low: float, high: float, count: sizes.Size, dtype: str) -> tuple[float, float]:
    """Bounds of a floating-point sum of `count` numbers in [low, high]."""
    least, most = count
    loose = 1.0 + min(2.0 * most * unit_roundoff(dtype), _SLACK)
    with np.errstate(over="ignore"):
        upper = _finite_product(high, most * loose) if high > 0.0 else _toward_zero(high, least, dtype)
        lower = _finite_product(low, most * loose) if low < 0.0 else _toward_zero(low, least, dtype)
    return lower, upper


def _finite_product(value: float, factor: float) -> float:
    return value * factor if value and factor else 0.0


def _toward_zero(value: float, least: float, dtype: str) -> float:
    """The end of a sum of at least `least` numbers of one sign, none closer to 0 than `value`: adding numbers of one
    sign never comes back below any of them."""
    if least < 1.0 or value == 0.0:
        return 0.0
    shrink = 1.0 - 2.0 * least * unit_roundoff(dtype)
    return value * max(1.0, least * shrink)


def summed(arg: Enclosure, count: sizes.Size, dtype: str) -> Enclosure:
    low, high = total_of(float(arg.low[0]), float(arg.high[0]), count, dtype)
    result = made(np.array([low]), np.array([high]), arg.nan, dtype, whole=arg.whole)
    # Partial sums may overflow to both sides.
    both = (result.low == -INF) & (result.high == INF)
    return Enclosure(result.low, result.high, result.nan | both, whole=result.whole)


def within(fact: SliceFact | None, axes: Sequence[int] | None) -> SliceFact | None:
    """The fact, if a reduction over `axes` covers its slices."""
    return fact if fact is not None and axes is not None and set(fact.axes) <= set(axes) else None


@rule("sum", "bias_add_grad")
def _sum(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    axes, count = (None, sizes.count(None)) if node.op == "bias_add_grad" else folded(node, graph)
    arg = args[0]
    result = summed(arg, count, node.dtype)
    low, high = float(result.low[0]), float(result.high[0])
    gamma = min(2.0 * count[1] * unit_roundoff(node.dtype), 1.0)
    peak, total = within(arg.peak, axes), within(arg.total, axes)
    if peak is not None and arg.low[0] >= 0.0:
        low = max(low, peak.low)
    if total is not None:
        slices = sizes.count(graph[node.args[0]].shape, [a for a in axes or () if a not in total.axes])
        low = max(low, total.low * (1.0 - gamma) * max(slices[0], 1.0))
        if gamma < 0.5:
            high = min(high, total.high * (1.0 + gamma) * slices[1])
    return Enclosure(np.array([min(low, high)]), np.array([high]), result.nan, whole=result.whole)


@rule("mean")
def _mean(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    _, count = folded(node, graph)
    if not is_float(node.dtype):
        return None
    arg = args[0]
    low, high = float(arg.low[0]), float(arg.high[0])
    gamma = 2.0 * count[1] * unit_roundoff(node.dtype)
    loose = 1.0 + min(gamma, _SLACK)
    tight = 1.0 - gamma if gamma < 0.5 else 1.0 / max(count[1], 1.0)
    low, high = low * (loose if low < 0 else tight), high * (loose if high > 0 else tight)
    whole = summed(arg, count, node.dtype)
    empty = np.array([count[0] < 1.0])
    overflow_low, overflow_high = whole.low[0] == -INF, whole.high[0] == INF
    return made(
        np.array([-INF if overflow_low else low]),
        np.array([INF if overflow_high else high]),
        whole.nan | empty,
        node.dtype,
        ulps=1.0,
    )


@rule("max", "min")
def _extreme(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    axes, count = folded(node, graph)
    arg = args[0]
    low, high = float(arg.low[0]), float(arg.high[0])
    peak = within(arg.peak, axes)
    if node.op == "max" and peak is not None:
        low = max(low, peak.low)
    if count[0] < 1.0:  # of nothing: the lowest or the highest number
        low, high = (min(low, -INF), high) if node.op == "max" else (low, max(high, INF))
    return made(np.array([low]), np.array([high]), arg.nan, node.dtype, whole=arg.whole)


@rule("prod")
def _prod(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    _, count = folded(node, graph)
    return _product_of(node, args[0], count)


def _product_of(node: Node, arg: Enclosure, count: sizes.Size) -> Enclosure:
    low, high = float(arg.low[0]), float(arg.high[0])
    size = max(abs(low), abs(high))
    most = count[1]
    with np.errstate(over="ignore"):
        # Rounding up by u at each step: (1 + u)**n <= exp(n*u).
        bound = float(np.exp(min(most * (np.log(size) if size > 0 else 0.0), 1e4))) if size > 1.0 else 1.0
        bound *= float(np.exp(min(most * unit_roundoff(node.dtype), 1e4))) if size > 1.0 else 1.0
    nan = arg.nan | np.array([bound > largest(node.dtype) and low <= 0.0])
    return made(np.array([0.0 if low >= 0.0 else -bound]), np.array([bound]), nan, node.dtype)


@rule("cumulative_prod")
def _cumulative_prod(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return _product_of(node, args[0], sizes.count(node.shape))


@rule("vector_norm")
def _norm(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    _, count = folded(node, graph)
    squares = summed(arith.square(args[0].plain(), node.dtype), count, node.dtype)
    with np.errstate(invalid="ignore"):
        return made(np.sqrt(squares.low), np.sqrt(squares.high), squares.nan, node.dtype, ulps=2.0)


@rule("half_square_sum")
def _half_square_sum(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    squares = summed(arith.square(args[0].plain(), node.dtype), sizes.count(graph[node.args[0]].shape), node.dtype)
    return arith.scaled(squares, 0.5, node.dtype)


@rule("all", "any")
def _all(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    _, count = folded(node, graph)
    low, high = args[0].low, args[0].high
    if count[0] < 1.0:
        low, high = np.minimum(low, float(node.op == "all")), np.maximum(high, float(node.op == "all"))
    return Enclosure(low, high, np.array([False]), whole=True)


@rule("argmax", "argmin")
def _arg(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    _, count = folded(node, graph)
    return Enclosure(np.array([0.0]), np.array([max(count[1] - 1.0, 0.0)]), np.array([False]), whole=True)


@rule("cumulative_sum")
def _cumulative_sum(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    shape, axis = node.shape, node.attrs.get("axis")
    count = sizes.count(shape, [axis]) if shape is not None and isinstance(axis, int) else sizes.count(shape)
    least = 0.0 if node.attrs.get("exclusive") else 1.0
    return summed(args[0], (least, max(count[1], 1.0)), node.dtype)


@rule("cumulative_logsumexp")
def _cumulative_logsumexp(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    shape, axis, x = node.shape, node.attrs.get("axis"), args[0]
    count = sizes.count(shape, [axis]) if shape is not None and isinstance(axis, int) else sizes.count(shape)
    # At least each of its terms; of none, as with `exclusive`, it is the lowest number.
    low = x.low if not node.attrs.get("exclusive") else np.array([-INF])
    most = np.log(max(count[1], 1.0)) * 1.01 + 0.01
    return made(low - 0.01, x.high + most, x.nan | arith.infinite(x), node.dtype, ulps=8.0)


@rule("segment_sum", "unsorted_segment_sum", "sparse_segment_sum", "sparse_segment_sum_grad")
def _segment_sum(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    count = sizes.count(graph[node.args[1]].shape)
    return summed(args[0], (0.0, max(count[1], 1.0)), node.dtype)


@rule("segment_max", "segment_min", "segment_mean")
def _segment_extreme(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    count = sizes.count(graph[node.args[1]].shape)
    arg = args[0]
    if node.op == "segment_mean" and np.isinf(summed(arg, (0.0, count[1]), node.dtype).high[0]):
        return None
    loose = 1.0 + _SLACK if node.op == "segment_mean" else 1.0
    return made(np.minimum(arg.low * loose, 0.0), np.maximum(arg.high * loose, 0.0), arg.nan, node.dtype)


@rule("scatter_nd", "scatter_add", "scatter_subtract")
def _scatter(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    updates = args[1] if node.op == "scatter_nd" else args[2]
    source = graph[node.args[1] if node.op == "scatter_nd" else node.args[2]]
    parts = summed(updates.plain(), (0.0, max(sizes.count(source.shape)[1], 1.0)), node.dtype)
    if node.op == "scatter_nd":
        return parts
    combine = arith.add if node.op == "scatter_add" else arith.subtract
    return combine(args[0].plain(), parts, node.dtype)


@rule("matmul")
def _matmul(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    shape = graph[node.args[0]].shape
    if shape is None or len(shape) < 2:
        count = sizes.count(None)
    else:
        count = sizes.size(shape[-2 if node.attrs.get("transpose_a") else -1])
    product = arith.multiply(args[0].plain(), args[1].plain(), node.dtype)
    return summed(product, count, node.dtype)


@rule("einsum")
def _einsum(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    equation = node.attrs.get("equation")
    if not isinstance(equation, str) or "->" not in equation:
        return None
    inputs, output = equation.replace(" ", "").split("->")
    count = [1.0, 1.0]
    seen: set[str] = set()
    for labels, arg in zip(inputs.split(","), node.args, strict=False):
        shape = graph[arg].shape
        if shape is None:
            return None
        # An ellipsis stands for the axes that have no letter; they are kept or summed as a whole.
        before, dots, after = labels.partition("...")
        named = list(zip(before, shape, strict=False))
        named += list(zip(reversed(after), reversed(shape), strict=False)) if dots else []
        if dots and "..." not in output:
            return None
        for letter, dim in named:
            if letter not in output and letter not in seen:
                seen.add(letter)
                least, most = sizes.size(dim)
                count = [count[0] * least, count[1] * most]
    product = args[0].plain()
    for arg in args[1:]:
        product = arith.multiply(product, arg.plain(), node.dtype)
    return summed(product, (count[0], count[1]), node.dtype)


@rule("bias_add")
def _bias_add(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return arith.add(args[0].plain(), args[1].plain(), node.dtype)


def unknown(node: Node) -> Enclosure:
    return anything(node.dtype)
