"""Transfer functions of comparison, logic, choice and casts, which treat NaN in their own ways."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lossdoctor.domains.intervals import arithmetic as arith
from lossdoctor.domains.intervals.elementwise import Args, loose
from lossdoctor.domains.intervals.enclosure import (
    INF,
    Bools,
    Enclosure,
    Floats,
    Leaf,
    anything,
    integer_range,
    is_float,
    made,
    union,
)
from lossdoctor.graph.ir import Node


@loose("astype")
def _astype(node: Node, args: Args) -> Enclosure:
    (x,) = args
    if node.dtype == "bool":
        zero, only = arith.holds(x, 0.0), (x.low == 0.0) & (x.high == 0.0) & ~x.nan
        return Enclosure(_number(~zero), _number(~only), np.zeros_like(only), x.leaves, True)
    if is_float(node.dtype):
        result = made(x.low, x.high, x.nan, node.dtype, (x,), whole=x.whole)
        void = x.low > x.high
        if void.any():
            result = replace(result, low=np.where(void, INF, result.low), high=np.where(void, -INF, result.high))
        return replace(result, peak=x.peak if x.whole else None, total=x.total if x.whole else None)
    bounds = integer_range(node.dtype)
    if bounds is None:
        return anything(node.dtype)
    low, high = np.trunc(x.low), np.trunc(x.high)
    lost = x.nan | ~(low >= bounds[0]) | ~(high <= bounds[1])  # undefined beyond the range
    return Enclosure(
        np.where(lost, bounds[0], low), np.where(lost, bounds[1], high), np.zeros_like(lost), x.leaves, True
    )


def _number(truth: Bools) -> Floats:
    return truth.astype(np.float64)


def _truth(surely: Bools, possibly: Bools, args: Args, nan_gives: bool) -> Enclosure:
    """A bool that is true where `surely` and may be where `possibly`; NaN arguments give `nan_gives`."""
    leaves = frozenset[Leaf]()
    nan = np.array([False])
    void = np.array([False])
    for arg in args:
        leaves |= arg.leaves
        nan, void = nan | arg.nan, void | (arg.low > arg.high)
    if nan_gives:
        surely, possibly = surely | void, possibly | nan
    else:
        surely, possibly = surely & ~nan, possibly & ~void
    size = max(surely.size, possibly.size)
    return Enclosure(
        _number(np.broadcast_to(surely, (size,))),
        _number(np.broadcast_to(possibly, (size,))),
        np.zeros(size, bool),
        leaves,
        True,
    )


@loose("less", "less_equal", "greater", "greater_equal")
def _order(node: Node, args: Args) -> Enclosure:
    a, b = args if node.op.startswith("less") else (args[1], args[0])
    if node.op in ("less", "greater"):
        return _truth(a.high < b.low, a.low < b.high, args, False)
    return _truth(a.high <= b.low, a.low <= b.high, args, False)


@loose("equal", "not_equal")
def _equal(node: Node, args: Args) -> Enclosure:
    a, b = args
    possibly = (a.low <= b.high) & (b.low <= a.high)
    surely = (a.low == a.high) & (b.low == b.high) & (a.low == b.low)
    if node.op == "equal":
        return _truth(surely, possibly, args, False)
    return _truth(~possibly, ~surely, args, True)


@loose("isnan")
def _isnan(node: Node, args: Args) -> Enclosure:
    return _truth(args[0].low > args[0].high, args[0].nan, args, True)


@loose("isinf")
def _isinf(node: Node, args: Args) -> Enclosure:
    (x,) = args
    return _truth((x.low == x.high) & np.isinf(x.low), arith.infinite(x), args, False)


@loose("isfinite")
def _isfinite(node: Node, args: Args) -> Enclosure:
    (x,) = args
    return _truth(x.bounded, (x.high > -INF) & (x.low < INF), args, False)


@loose("logical_not")
def _not(node: Node, args: Args) -> Enclosure:
    return replace(args[0].plain(), low=1.0 - args[0].high, high=1.0 - args[0].low)


@loose("logical_and", "logical_or")
def _logical(node: Node, args: Args) -> Enclosure:
    a, b = args
    function = np.minimum if node.op == "logical_and" else np.maximum
    low, high = function(a.low, b.low), function(a.high, b.high)
    return Enclosure(low, high, np.zeros(low.shape, bool), a.leaves | b.leaves, True)


@loose("where")
def _where(node: Node, args: Args) -> Enclosure:
    condition, yes, no = args
    always, never = condition.low >= 1.0, condition.high <= 0.0
    both = union(yes, no)
    low = np.where(always, yes.low, np.where(never, no.low, both.low))
    high = np.where(always, yes.high, np.where(never, no.high, both.high))
    nan = np.where(always, yes.nan, np.where(never, no.nan, both.nan))
    return Enclosure(low, high, np.broadcast_to(nan, low.shape), condition.leaves | both.leaves, yes.whole and no.whole)


@loose("multiply_no_nan")
def _multiply_no_nan(node: Node, args: Args) -> Enclosure:
    # x * y, 0 where y is 0 even if x is not finite.
    x, y = args
    void = x.low > x.high
    clean = replace(x.plain(), low=np.where(void, 0.0, x.low), high=np.where(void, 0.0, x.high))
    result = arith.multiply(clean, y, node.dtype)
    never = (y.low == 0.0) & (y.high == 0.0)
    nan = (x.nan | y.nan | arith.infinite(y)) & ~never
    low, high, nan = np.broadcast_arrays(result.low, result.high, nan)
    return Enclosure(low, high, nan, result.leaves)
