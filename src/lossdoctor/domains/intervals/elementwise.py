"""Transfer functions of elementwise operations, from the rows of the op table and a few overrides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

import lossdoctor.ops as _rows  # fills the table
from lossdoctor.domains.intervals import arithmetic as arith
from lossdoctor.domains.intervals.enclosure import (
    INF,
    Bools,
    Enclosure,
    Floats,
    anything,
    constant,
    integer_range,
    is_float,
    limited,
    made,
    tiniest,
    union,
    unit_roundoff,
)
from lossdoctor.graph.ir import Node
from lossdoctor.ops.table import TABLE, Op

_ROWS = _rows
_HALVES = ("float16", "bfloat16")
Args = Sequence[Enclosure]
Rule = Callable[[Node, Args], Enclosure]

# Codomains that the kernels keep (they clamp, or are monotone with exact ends).
CODOMAIN: dict[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "erf": (-1.0, 1.0),
    "erfc": (0.0, 2.0),
    "exp": (0.0, INF),
    "expm1": (-1.0, INF),
    "softplus": (0.0, INF),
    "sqrt": (0.0, INF),
    "cosh": (1.0, INF),
    "sin": (-1.0, 1.0),
    "cos": (-1.0, 1.0),
}
# Correctly rounded, or exact: no slack.
EXACT = frozenset(
    "add subtract multiply divide square squared_difference abs negative maximum minimum clip relu relu6 "
    "sign floor ceil round".split()
)
# TensorFlow 2.21's kernels differ from the function by more than any row says (measured over all exponents).
_INACCURATE = frozenset({"erfinv", "ndtri", "bessel_i1"})
_ERRORS = {"erfc": 64.0}  # ulps, measured in the tail
STRICT: dict[str, Rule] = {}  # NaN in, NaN out
LOOSE: dict[str, Rule] = {}  # rules that treat NaN themselves


def strict(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule whose result is NaN wherever an argument is; it sees no NaN and no empty interval."""
    return lambda rule: _registered(STRICT, names, rule)


def loose(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule that deals with NaN and empty intervals itself."""
    return lambda rule: _registered(LOOSE, names, rule)


def _registered(table: dict[str, Rule], names: Sequence[str], rule: Rule) -> Rule:
    table.update(dict.fromkeys(names, rule))
    return rule


def known(op: str) -> bool:
    """Whether this module has a transfer function for the operation."""
    return op in LOOSE or op in STRICT or _has_trend(TABLE.by_name.get(op))


def _has_trend(row: Op | None) -> bool:
    # Functions of several arguments are monotone inside their domains only, which a row does not tell.
    if row is not None and row.name in _INACCURATE:
        return False
    return row is not None and row.kind == "elementwise" and row.value is not None and row.trend in ((1,), (-1,))


def transfer(node: Node, args: Args) -> Enclosure | None:
    """The enclosure of an elementwise node, or None without a rule."""
    if node.op in LOOSE:
        return LOOSE[node.op](node, args)
    row = TABLE.by_name.get(node.op)
    rule = STRICT.get(node.op)
    if rule is None and not _has_trend(row):
        return None
    empty = np.array([False])
    nan = np.array([False])
    cleaned: list[Enclosure] = []
    for arg in args:
        void = arg.low > arg.high
        nan = nan | arg.nan
        if void.any():
            empty = empty | void
            arg = replace(arg, low=np.where(void, 1.0, arg.low), high=np.where(void, 1.0, arg.high))
        cleaned.append(arg.plain())
    result = _computed(rule, row, node, cleaned)
    if node.dtype in _HALVES and node.op not in EXACT:
        # Some kernels compute half precision in float32 and round once, some round each step.
        single = _computed(rule, row, replace(node, dtype="float32"), cleaned)
        result = union(result, made(single.low, single.high, single.nan, node.dtype, (single,), ulps=1.0))
    if node.op in CODOMAIN:
        result = limited(result, *CODOMAIN[node.op])
    low, high, nan, empty = np.broadcast_arrays(result.low, result.high, result.nan | nan, empty)
    return replace(result, low=np.where(empty, INF, low), high=np.where(empty, -INF, high), nan=nan)


def _computed(rule: Rule | None, row: Op | None, node: Node, args: Args) -> Enclosure:
    if rule is not None:
        return rule(node, args)
    assert row is not None
    return _by_trend(row, node, args)


def _ulps(op: str) -> float:
    row = TABLE.by_name.get(op)
    # Two more than the row's: rounding of the exact result, and of NumPy's own float64 evaluation.
    return 0.0 if op in EXACT else max(row.ulps if row else 4.0, _ERRORS.get(op, 0.0)) + 2.0


def _by_trend(row: Op, node: Node, args: Args) -> Enclosure:
    assert row.value is not None
    value: Callable[..., Floats] = row.value
    bad: Bools = np.array([False])
    if row.defined is not None and len(args) == 1:
        low, high = row.defined
        (arg,) = args
        bad = (arg.low < low) | (arg.high > high)
        outside = (arg.high < low) | (arg.low > high)
        inside = replace(arg, low=np.clip(arg.low, low, high), high=np.clip(arg.high, low, high))
        result = arith.monotone(partial(value, **node.attrs), (inside,), node.dtype, _ulps(row.name))
        # An end of the domain may be reached by -0.0 and have a one-sided pole there.
        low_ends = np.where(outside, INF, result.low)
        result = replace(result, low=low_ends, high=np.where(outside, -INF, result.high), nan=result.nan | bad)
    else:
        result = arith.monotone(partial(value, **node.attrs), args, node.dtype, _ulps(row.name))
    if row.absolute and is_float(node.dtype):
        error = row.absolute * 2.0 * unit_roundoff(node.dtype)
        result = made(result.low - error, result.high + error, result.nan, node.dtype, (result,))
    return result


@strict("add")
def _add(node: Node, args: Args) -> Enclosure:
    return arith.add(args[0], args[1], node.dtype)


@strict("subtract")
def _subtract(node: Node, args: Args) -> Enclosure:
    return arith.subtract(args[0], args[1], node.dtype)


@strict("multiply")
def _multiply(node: Node, args: Args) -> Enclosure:
    if node.args[0] == node.args[1]:
        return arith.square(args[0], node.dtype)
    return arith.multiply(args[0], args[1], node.dtype)


@strict("add_n")
def _add_n(node: Node, args: Args) -> Enclosure:
    total = args[0]
    size = arith.magnitude(args[0])
    for arg in args[1:]:
        total = arith.add(total, arg, node.dtype)
        size = arith.add(size, arith.magnitude(arg), node.dtype)
    if len(args) < 3:
        return total
    # Another order of the additions rounds differently, by at most n*u of the sum of the magnitudes.
    with np.errstate(invalid="ignore"):
        slack = np.nan_to_num(size.high * 2 * len(args) * unit_roundoff(node.dtype), posinf=INF)
        low, high = total.low - slack, total.high + slack
    signed = np.logical_or.reduce([np.broadcast_to(arg.low < 0.0, low.shape) for arg in args])
    positive = np.logical_or.reduce([np.broadcast_to(arg.high > 0.0, low.shape) for arg in args])
    low = np.where(signed, low, np.maximum(low, 0.0))
    high = np.where(positive, high, np.minimum(high, 0.0))
    return made(low, high, total.nan | np.isinf(size.high), node.dtype, args)


@strict("negative")
def _negative(node: Node, args: Args) -> Enclosure:
    result = arith.negate(args[0])
    return made(result.low, result.high, result.nan, node.dtype, args, whole=args[0].whole)


@strict("abs")
def _abs(node: Node, args: Args) -> Enclosure:
    result = arith.magnitude(args[0])
    return made(result.low, result.high, result.nan, node.dtype, args, whole=args[0].whole)


@strict("square")
def _square(node: Node, args: Args) -> Enclosure:
    return arith.square(args[0], node.dtype)


@strict("squared_difference")
def _squared_difference(node: Node, args: Args) -> Enclosure:
    return arith.square(arith.subtract(args[0], args[1], node.dtype), node.dtype)


@strict("divide")
def _divide(node: Node, args: Args) -> Enclosure:
    if node.args[0] == node.args[1]:
        bad = arith.holds(args[0], 0.0) | arith.infinite(args[0])
        return made(np.ones(1), np.ones(1), bad, node.dtype, args)
    return arith.divide(args[0], args[1], node.dtype)


@strict("reciprocal")
def _reciprocal(node: Node, args: Args) -> Enclosure:
    return arith.reciprocal(args[0], node.dtype)


def _inverse_root(values: Floats) -> Floats:
    return 1.0 / np.sqrt(values)


@strict("rsqrt")
def _rsqrt(node: Node, args: Args) -> Enclosure:
    (x,) = args
    inside = limited(x, low=0.0)
    result = arith.monotone(_inverse_root, (inside,), node.dtype, _ulps("rsqrt"))
    low = np.where(arith.holds(x, 0.0), -INF, np.maximum(result.low, 0.0))  # rsqrt(-0.0) is -inf
    outside = x.high < 0.0
    return replace(
        result,
        low=np.where(outside, INF, low),
        high=np.where(outside, -INF, result.high),
        nan=result.nan | (x.low < 0.0),
    )


@strict("pow")
def _pow(node: Node, args: Args) -> Enclosure:
    return arith.power(args[0], args[1], node.dtype, _ulps("pow"))


@strict("divide_no_nan")
def _divide_no_nan(node: Node, args: Args) -> Enclosure:
    a, b = args
    # A kernel that does not flush compares a denormal as different from 0.
    rest = arith.without_zero(b, tiniest(node.dtype) * 2 * unit_roundoff(node.dtype))
    gone = rest.low > rest.high
    safe = replace(rest, low=np.where(gone, 1.0, rest.low), high=np.where(gone, 1.0, rest.high))
    result = arith.divide(a, safe, node.dtype)
    if (arith.holds(rest, 0.0) & ~gone).any():
        # Both signs: bounded by the smallest magnitude on either side.
        least = 1.0 if b.whole else tiniest(node.dtype) * 2 * unit_roundoff(node.dtype)
        both = arith.divide(a, constant(least, INF), node.dtype)
        size = arith.magnitude(both).high
        mixed = arith.holds(rest, 0.0)
        result = replace(
            result,
            low=np.where(mixed, -size, result.low),
            high=np.where(mixed, size, result.high),
            nan=np.where(mixed, arith.infinite(a) & arith.infinite(b), result.nan),
        )
    zero = arith.holds(b, 0.0)
    low = np.where(gone, 0.0, np.where(zero, np.minimum(result.low, 0.0), result.low))
    high = np.where(gone, 0.0, np.where(zero, np.maximum(result.high, 0.0), result.high))
    return made(low, high, result.nan & ~gone, node.dtype, args)


def _product_or_zero(x: Floats, y: Floats) -> Floats:
    return np.where(x == 0.0, 0.0, x * y)


def _times_log(node: Node, args: Args, log: Callable[..., Floats]) -> Enclosure:
    """x * log(y), 0 where x is 0 (unless y is NaN)."""
    x, y = args
    inside = limited(y, low=0.0)
    void = inside.low > inside.high
    inside = replace(inside, low=np.where(void, 1.0, inside.low), high=np.where(void, 1.0, inside.high))
    logs = arith.monotone(log, (inside,), node.dtype, 4.0)
    low, high, _ = arith.corners(_product_or_zero, (x, logs))
    inf = arith.infinite(x) & arith.holds(logs, 0.0)
    zero = (x.low == 0.0) & (x.high == 0.0)
    return made(low, high, inf | ((y.low < 0.0) & ~zero), node.dtype, args, ulps=4.0)


@strict("xlogy")
def _xlogy(node: Node, args: Args) -> Enclosure:
    return _times_log(node, args, np.log)


@strict("xlog1py")
def _xlog1py(node: Node, args: Args) -> Enclosure:
    shifted = replace(args[1], low=args[1].low + 1.0, high=args[1].high + 1.0)
    # log1p(y) = log(1 + y); 1 + y in float64 rounds by 2**-53, far below the slack except close to y = 0, where the
    # product is close to 0: widen to include it.
    result = _times_log(node, (args[0], shifted), np.log)
    size = arith.magnitude(args[0]).high * 2.0**-50
    return replace(result, low=result.low - size, high=result.high + size)


@strict("sin", "cos")
def _periodic(node: Node, args: Args) -> Enclosure:
    return made(np.array([-1.0]), np.array([1.0]), arith.infinite(args[0]), node.dtype, args)


@strict("cosh")
def _cosh(node: Node, args: Args) -> Enclosure:
    return arith.monotone(np.cosh, (arith.magnitude(args[0]),), node.dtype, _ulps("cosh"))


@strict("acos")
def _acos(node: Node, args: Args) -> Enclosure:
    return _bounded_inverse(node, args[0], np.arccos)


@strict("asin")
def _asin(node: Node, args: Args) -> Enclosure:
    return _bounded_inverse(node, args[0], np.arcsin)


def _bounded_inverse(node: Node, x: Enclosure, function: Callable[..., Floats]) -> Enclosure:
    inside = replace(x, low=np.clip(x.low, -1.0, 1.0), high=np.clip(x.high, -1.0, 1.0))
    result = arith.monotone(function, (inside,), node.dtype, _ulps(node.op))
    return replace(result, nan=result.nan | (x.low < -1.0) | (x.high > 1.0))


@strict("atan2")
def _atan2(node: Node, args: Args) -> Enclosure:
    return made(np.array([-3.1415930]), np.array([3.1415930]), np.array([False]), node.dtype, args, ulps=_ulps("atan2"))


@strict("clip")
def _clip(node: Node, args: Args) -> Enclosure:
    low = node.attrs.get("low", node.attrs.get("min"))
    high = node.attrs.get("high", node.attrs.get("max"))
    ends = list(args[1:])
    if isinstance(low, (int, float)) and isinstance(high, (int, float)):
        ends = [constant(float(low), float(low)), constant(float(high), float(high))]
    if len(ends) != 2:
        return anything(node.dtype)
    result = _extreme(node, (_extreme(node, (args[0], ends[0]), np.maximum), ends[1]), np.minimum)
    if (ends[0].high > ends[1].low).any():  # the ends may cross, and kernels differ in which one wins
        return union(result, _extreme(node, (_extreme(node, (args[0], ends[1]), np.minimum), ends[0]), np.maximum))
    return result


def _extreme(node: Node, args: Args, function: Callable[..., Floats]) -> Enclosure:
    return arith.monotone(function, args, node.dtype, 0.0, whole=all(arg.whole for arg in args))


@loose("maximum", "minimum")
def _maximum(node: Node, args: Args) -> Enclosure:
    a, b = args
    function = np.maximum if node.op == "maximum" else np.minimum
    filled = [
        replace(x, low=np.where(x.low > x.high, y.low, x.low), high=np.where(x.low > x.high, y.high, x.high))
        for x, y in ((a, b), (b, a))
    ]
    void = (filled[0].low > filled[0].high) | (filled[1].low > filled[1].high)
    result = _extreme(node, filled, function)
    low, high, nan = result.low, result.high, a.nan | b.nan
    if nan.any():
        # A kernel may give NaN, or the operand that is none.
        low = np.where(nan, np.minimum(filled[0].low, filled[1].low), low)
        high = np.where(nan, np.maximum(filled[0].high, filled[1].high), high)
        low, high = np.where(void, INF, low), np.where(void, -INF, high)
    return Enclosure(low, high, np.broadcast_to(nan, low.shape), result.leaves, result.whole)


@strict("sign")
def _sign(node: Node, args: Args) -> Enclosure:
    return arith.monotone(np.sign, args, node.dtype, 0.0, whole=True)


@strict("floor", "ceil", "round")
def _integral(node: Node, args: Args) -> Enclosure:
    function = {"floor": np.floor, "ceil": np.ceil, "round": np.rint}[node.op]
    return arith.monotone(function, args, node.dtype, 0.0, whole=True)


@strict("remainder")
def _remainder(node: Node, args: Args) -> Enclosure:
    a, b = args
    if integer_range(node.dtype) is not None and arith.holds(b, 0.0).any():
        return anything(node.dtype)
    bad = arith.holds(b, 0.0) | arith.infinite(a) | arith.infinite(b)
    # The kernel's own rounding can leave a remainder of the other sign.
    least, most = (-arith.magnitude(b).high, arith.magnitude(b).high) if is_float(node.dtype) else (b.low, b.high)
    return made(np.minimum(least, 0.0), np.maximum(most, 0.0), bad, node.dtype, args, whole=a.whole and b.whole)


@strict("floor_divide")
def _floor_divide(node: Node, args: Args) -> Enclosure:
    if integer_range(node.dtype) is not None and arith.holds(args[1], 0.0).any():
        return anything(node.dtype)
    result = arith.divide(args[0], args[1], node.dtype if is_float(node.dtype) else "float64")
    return made(np.floor(result.low), np.floor(result.high), result.nan, node.dtype, args, ulps=1.0, whole=True)


@loose("identity", "stop_gradient", "check_numerics")
def _identity(node: Node, args: Args) -> Enclosure:
    return args[0]


@loose("zeros_like")
def _zeros_like(node: Node, args: Args) -> Enclosure:
    return constant(0.0, 0.0, whole=True)


@loose("ones_like")
def _ones_like(node: Node, args: Args) -> Enclosure:
    return constant(1.0, 1.0, whole=True)
