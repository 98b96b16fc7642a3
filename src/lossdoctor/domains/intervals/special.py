"""Transfer functions of special functions with a minimum or poles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lossdoctor.domains.intervals import arithmetic as arith
from lossdoctor.domains.intervals.elementwise import Args, strict
from lossdoctor.domains.intervals.enclosure import INF, Bools, Enclosure, made
from lossdoctor.graph.ir import Node
from lossdoctor.ops.table import TABLE

# The minimum of lgamma on the positive numbers (OEIS A030169, A030171).
_LGAMMA_ARGUMENT, _LGAMMA_MINIMUM = 1.4616321449683623, -0.12148629053584961
_ERROR = 16.0  # ulps; near the zeros of these functions, absolute
_NEVER = np.array([False])


def _ends(name: str, x: Enclosure) -> tuple[np.ndarray, np.ndarray]:
    row = TABLE.by_name[name]
    assert row.value is not None
    return np.asarray(row.value(x.low), np.float64), np.asarray(row.value(x.high), np.float64)


def _positive(x: Enclosure) -> tuple[Enclosure, Bools]:
    """The part of x above zero, and where x reaches zero or below."""
    outside = x.low <= 0.0
    return replace(x, low=np.where(outside, 1.0, x.low), high=np.where(outside, 1.0, x.high)), outside


def _spread(low: np.ndarray, high: np.ndarray, x: Enclosure, node: Node, outside: Bools, nan: Bools) -> Enclosure:
    slack = 5e-6 if node.dtype in ("float32", "float64") else 1e-2
    low, high = np.where(outside, -INF, low - slack), np.where(outside, INF, high + slack)
    return made(low, high, nan, node.dtype, (x,), ulps=_ERROR)


@strict("lgamma")
def _lgamma(node: Node, args: Args) -> Enclosure:
    x, outside = _positive(args[0])
    left, right = _ends("lgamma", x)
    low = np.where(arith.holds(x, _LGAMMA_ARGUMENT), _LGAMMA_MINIMUM, np.minimum(left, right))
    result = _spread(low, np.maximum(left, right), x, node, outside, _NEVER)
    return replace(result, nan=result.nan | (args[0].low == -INF))


@strict("digamma")
def _digamma(node: Node, args: Args) -> Enclosure:
    x, outside = _positive(args[0])
    low, high = _ends("digamma", x)
    return _spread(low, high, x, node, outside, outside)


@strict("polygamma")
def _polygamma(node: Node, args: Args) -> Enclosure:
    # Of order n, on the positive numbers: monotone, of sign (-1)**(n + 1).
    order, argument = args
    x, outside = _positive(argument)
    fixed = order.low.size == 1 and order.low[0] == order.high[0] and order.whole and order.low[0] >= 1.0
    if not fixed:
        return made(np.array([-INF]), np.array([INF]), np.array([True]), node.dtype, args)
    value = TABLE.by_name["polygamma"].value
    assert value is not None

    def of_order(v: np.ndarray) -> np.ndarray:
        return np.asarray(value(np.full_like(v, order.low[0]), v))

    low, high, bad = arith.corners(of_order, (x,))
    return _spread(low, high, x, node, outside, outside | bad)
