"""Reductions over `axis` (an integer, a tuple, None for all axes); `keepdims` as in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lossdoctor.ops.arrays import Array, in_single, like
from lossdoctor.ops.table import op

Axis = int | tuple[int, ...] | None


def _lowest(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind not in "iub" else np.iinfo(dtype).min


def _highest(dtype: np.dtype[Any]) -> Any:
    return np.inf if dtype.kind not in "iub" else np.iinfo(dtype).max


def _sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)


def _mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    total = _sum(x, axis=axis, keepdims=keepdims)
    count = x.size // total.size if total.size else 1
    if x.dtype.kind in "iu":
        if count == 0:
            raise ZeroDivisionError("mean of no integers")
        return (np.sign(total) * (np.abs(total) // count)).astype(x.dtype)
    return total / like(x, count)


def _prod(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.prod(x, axis=axis, keepdims=keepdims, dtype=x.dtype)


def _max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.max(x, axis=axis, keepdims=keepdims, initial=_lowest(x.dtype))


def _min(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.min(x, axis=axis, keepdims=keepdims, initial=_highest(x.dtype))


def _norm(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.sqrt(np.sum(np.square(np.abs(x)), axis=axis, keepdims=keepdims)).astype(x.dtype)


def _half_square_sum(x: Array) -> Array:
    return _sum(x * x) / like(x, 2)


def _all(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.all(x, axis=axis, keepdims=keepdims)


def _any(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.any(x, axis=axis, keepdims=keepdims)


def _arg(best: Callable[..., Any]) -> Callable[..., Array]:
    def value(x: Array, *, axis: int = 0, dtype: str = "int64") -> Array:
        if x.dtype.kind not in "iub" and np.any(np.isnan(x)):
            raise ValueError("which index a NaN gives depends on its place and on the kernel")
        return np.asarray(best(x, axis=axis)).astype(dtype)

    return value


def _bias_add_grad(dy: Array, *, data_format: str = "NHWC") -> Array:
    channel = 1 if data_format.startswith("NC") else dy.ndim - 1
    return _sum(dy, axis=tuple(axis for axis in range(dy.ndim) if axis != channel))


AXIS: dict[str, Any] = {"params": {1: "axis"}, "attrs": {"keep_dims": "keepdims"}}

# Rounding errors grow with the number of terms; `ulps` is the bound for one addition or product.
op("sum", "reduce", tf=("Sum",), value=in_single(_sum), trend=(1,), ulps=1.0, **AXIS)
op("mean", "reduce", tf=("Mean",), value=in_single(_mean), trend=(1,), ulps=1.5, **AXIS)
op("prod", "reduce", tf=("Prod",), value=in_single(_prod), trend=(0,), ulps=1.0, **AXIS)
op("max", "reduce", tf=("Max",), value=_max, trend=(1,), flow=("kink",), ulps=0.0, **AXIS)
op("min", "reduce", tf=("Min",), value=_min, trend=(1,), flow=("kink",), ulps=0.0, **AXIS)
op("vector_norm", "reduce", tf=("EuclideanNorm",), value=in_single(_norm), trend=(0,), ulps=2.0, **AXIS)
# sum(x * x) / 2 over all axes.
op("half_square_sum", "reduce", tf=("L2Loss",), value=in_single(_half_square_sum), trend=(0,), ulps=2.0)
op("all", "reduce", tf=("All",), value=_all, trend=(1,), flow=("none",), ulps=0.0, **AXIS)
op("any", "reduce", tf=("Any",), value=_any, trend=(1,), flow=("none",), ulps=0.0, **AXIS)
ARGUMENT: dict[str, Any] = {"params": {1: "axis"}, "attrs": {"output_type": "dtype"}, "flow": ("none",), "ulps": 0.0}
op("argmax", "reduce", tf=("ArgMax",), value=_arg(np.argmax), trend=(0,), **ARGUMENT)
op("argmin", "reduce", tf=("ArgMin",), value=_arg(np.argmin), trend=(0,), **ARGUMENT)
op("bias_add_grad", "reduce", tf=("BiasAddGrad",), attrs={"data_format": "data_format"},
   value=in_single(_bias_add_grad), trend=(1,), ulps=1.0)  # fmt: skip
