"""Comparison, logic and choice."""

from __future__ import annotations

import numpy as np

from lossdoctor.ops.arrays import Array, like
from lossdoctor.ops.table import Real, Value, op


def _where(condition: Array, x: Array, y: Array, *, rows: bool | None = None) -> Array:
    """`rows`: a vector as condition chooses whole rows (the first form of where); False: it broadcasts."""
    if condition.ndim == 1 and x.ndim > 1 and rows is not False:
        by_rows = x.shape == y.shape and condition.shape[0] == x.shape[0]
        by_columns = condition.shape[0] in (1, x.shape[-1])
        if rows is None and by_rows and by_columns and x.shape[0] > 1:
            raise ValueError("a vector that fits rows and columns: which form of where this is must be told")
        if by_rows and (rows or not by_columns):
            condition = condition.reshape(condition.shape + (1,) * (x.ndim - 1))
    return np.where(condition, x, y)


def _clip(x: Array, low: Array, high: Array) -> Array:
    return np.maximum(np.minimum(x, high), low)  # the lower bound wins where the bounds cross (measured)


def _close(x: Array, y: Array, *, tolerance: float = 1e-5) -> Array:
    return np.abs(x - y) < like(x, tolerance)


def _popcount(x: Array) -> Array:
    return np.bitwise_count(x).astype(np.uint8)


def _none(name: str, tf: tuple[str, ...], value: Value, real: Real | None = None, arguments: int = 2) -> None:
    """A row without derivative: comparison, test or logic."""
    op(name, "elementwise", tf=tf, value=value, real=real, trend=(0,) * arguments, flow=("none",), ulps=0.0)


_none("equal", ("Equal",), np.equal, lambda m, x, y: m.equal(x, y))
_none("not_equal", ("NotEqual",), np.not_equal)
_none("less", ("Less",), np.less, lambda m, x, y: m.less(x, y))
_none("less_equal", ("LessEqual",), np.less_equal, lambda m, x, y: m.less_equal(x, y))
_none("greater", ("Greater",), np.greater, lambda m, x, y: m.less(y, x))
_none("greater_equal", ("GreaterEqual",), np.greater_equal, lambda m, x, y: m.less_equal(y, x))
op("approximate_equal", "elementwise", tf=("ApproximateEqual",), attrs={"tolerance": "tolerance"}, value=_close,
   trend=(0, 0), flow=("none",), ulps=0.0)  # fmt: skip
_none("isnan", ("IsNan",), np.isnan, arguments=1)
_none("isinf", ("IsInf",), np.isinf, arguments=1)
_none("isfinite", ("IsFinite",), np.isfinite, arguments=1)

op("logical_and", "elementwise", tf=("LogicalAnd",), value=np.logical_and, trend=(1, 1), flow=("none",), ulps=0.0)
op("logical_or", "elementwise", tf=("LogicalOr",), value=np.logical_or, trend=(1, 1), flow=("none",), ulps=0.0)
op("logical_not", "elementwise", tf=("LogicalNot",), value=np.logical_not, trend=(-1,), flow=("none",), ulps=0.0)
_none("bitwise_and", ("BitwiseAnd",), np.bitwise_and)
_none("bitwise_or", ("BitwiseOr",), np.bitwise_or)
_none("bitwise_xor", ("BitwiseXor",), np.bitwise_xor)
_none("bitwise_invert", ("Invert",), np.invert, arguments=1)
_none("bitwise_left_shift", ("LeftShift",), np.left_shift)
_none("bitwise_right_shift", ("RightShift",), np.right_shift)
_none("popcount", ("PopulationCount",), _popcount, arguments=1)

op("where", "elementwise", tf=("Select", "SelectV2"), implied={"Select": {"rows": True}, "SelectV2": {"rows": False}},
   value=_where, trend=(0, 1, 1), flow=("none", "smooth", "smooth"), ulps=0.0,
   real=lambda m, condition, x, y, rows=False: m.where(condition, x, y))  # fmt: skip
op("clip", "elementwise", tf=("ClipByValue",), value=_clip, trend=(1, 1, 1), flow=("kink",), ulps=0.0,
   real=lambda m, x, low, high: m.maximum(m.minimum(x, high), low),
   cases=(("[-1, 2]", "[0, 0]", "[1, 1]", "[0, 1]"),))  # fmt: skip
