"""Which numbers a kind holds: bounds, discrete sets, edges, and the values that are hard on the numerics."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from lossdoctor.findings import UsageError
from lossdoctor.spec.model import FLOATS, Spec

Array = NDArray[Any]


@cache
def numpy_dtype(name: str) -> np.dtype[Any]:
    """The NumPy dtype of a spec's dtype; bfloat16 comes from ml_dtypes, which TensorFlow brings along."""
    if name != "bfloat16":
        return np.dtype(name)
    try:
        import ml_dtypes  # pyright: ignore[reportMissingImports]  # it comes with TensorFlow
    except ImportError:
        raise UsageError("bfloat16 needs the package ml_dtypes, which is installed with TensorFlow") from None
    return np.dtype(cast(Any, ml_dtypes).bfloat16)


@cache
def dtype_name(dtype: np.dtype[Any]) -> str:
    """`dtype.name`, which NumPy puts together anew each time."""
    return dtype.name


@cache
def float_limits(name: str) -> tuple[float, float, float]:
    """Largest finite number, smallest normal number and machine epsilon of a floating dtype."""
    if name == "bfloat16":  # 8 bits of significand, the exponents of float32
        return (2.0 - 2.0**-7) * 2.0**127, 2.0**-126, 2.0**-7
    info = np.finfo(name)
    return float(info.max), float(info.smallest_normal), float(info.eps)


@lru_cache(maxsize=256)
def bounds(spec: Spec, magnitude: float = 1e4) -> tuple[float, float]:
    """The smallest and the largest value that is examined, both included.

    `real` and `logit` go from -magnitude to magnitude. `positive` means above zero and goes from 1/magnitude to
    magnitude, because 1/x² leaves float32 at 1e-20 as surely as x² does at 1e20. Both are held to what the
    dtype can represent, and rounded to it.
    """
    if spec.kind in ("unit", "probability", "binary", "onehot"):
        return 0.0, 1.0
    if spec.kind == "sign":
        return -1.0, 1.0
    if spec.kind == "label":
        return 0.0, float((spec.classes or 1) - 1)
    if spec.dtype in FLOATS:
        largest, tiny, _ = float_limits(spec.dtype)
        high = min(magnitude, largest)
        low = max(1.0 / magnitude, tiny) if spec.kind == "positive" else -high
        ends = np.array([low, high]).astype(numpy_dtype(spec.dtype)).astype(np.float64)
        return float(ends[0]), float(ends[1])
    info = np.iinfo(spec.dtype) if spec.dtype != "bool" else None
    high = min(magnitude, float(info.max)) if info else 1.0
    low = 1.0 if spec.kind == "positive" else (max(-magnitude, float(info.min)) if info else 0.0)
    return math.ceil(low), math.floor(high)


def discrete_values(spec: Spec) -> tuple[float, ...] | None:
    """The finite set of values of one element, or None for a continuous kind. NaN of `missing` is not in it."""
    if spec.kind in ("binary", "onehot"):
        return (0.0, 1.0)
    if spec.kind == "sign":
        return (-1.0, 1.0)
    if spec.kind == "label":
        return tuple(float(value) for value in range(spec.classes or 1))
    return None


def boundary_values(spec: Spec, magnitude: float = 1e4) -> Array:
    """Every edge value of one element: the ends, zero, the smallest normal number, ±1 and their neighbours.

    Returns:
        A 1-D array of the spec's dtype, rising, without duplicates; NaN last if the spec has `missing`.
    """
    low, high = bounds(spec, magnitude)
    discrete = discrete_values(spec)
    if discrete is not None:
        # Of many classes the first, the second and the last are edges.
        values = list(discrete if len(discrete) <= 8 else (*discrete[:2], *discrete[-2:]))
    elif spec.dtype not in FLOATS:
        values = [low, -1.0, 0.0, 1.0, 2.0, high]
    else:
        _, tiny, eps = float_limits(spec.dtype)
        values = [low, high, 0.0, tiny, -tiny, eps, -eps, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0]
        # The neighbours of 1: `1 - p` is exact there, and `p + eps` is not.
        values += [1.0 - eps / 2, 1.0 + eps, -1.0 + eps / 2, -1.0 - eps]
    return _pack(values, spec, low, high)


def hard_values(spec: Spec, magnitude: float = 1e4) -> Array:
    """Values at which usual formulas overflow, saturate, cancel or lose an epsilon; no denormals.

    With m the largest and t the smallest normal number of the dtype and e its epsilon, they are: log m (exp
    overflows), log t (exp vanishes), log e (sigmoid saturates, softplus turns linear), sqrt(log m) (exp(x²)),
    sqrt m and cube root of m (powers overflow), sqrt t and sqrt e (squares vanish, differences cancel), each just
    inside and just outside and with both signs, and every power of ten between.

    Returns:
        A 1-D array of the spec's dtype within `bounds`, rising, without duplicates.
    """
    low, high = bounds(spec, magnitude)
    if discrete_values(spec) is not None:
        return boundary_values(spec, magnitude)
    if spec.dtype not in FLOATS:
        powers = [10.0**k for k in range(20) if 10.0**k <= high]
        return _pack([*powers, *(-value for value in powers), low, high], spec, low, high)
    largest, tiny, eps = float_limits(spec.dtype)
    exponent = math.log(largest)
    turning = [exponent, -math.log(tiny), -math.log(eps), math.sqrt(exponent), math.sqrt(-math.log(eps))]
    turning += [math.sqrt(largest), largest ** (1 / 3), math.sqrt(tiny), math.sqrt(eps), eps, eps / 4]
    sizes = [value * factor for value in turning for factor in (0.99, 1.01)]
    sizes += [10.0**k for k in range(math.ceil(math.log10(tiny)), math.floor(math.log10(largest)) + 1)]
    sizes += [math.pi, math.pi / 2, 1 / 3]  # never exact in binary
    values = [*sizes, *(-size for size in sizes), *(1.0 - size for size in sizes if size < 0.5), low, high]
    return _pack(values, spec, low, high)


def _pack(values: list[float], spec: Spec, low: float, high: float) -> Array:
    inside = np.array(sorted({float(value) for value in values if low <= value <= high}), np.float64)
    packed = np.unique(_cast(inside, spec.dtype).astype(np.float64))
    packed = packed[(packed >= low) & (packed <= high)]
    if spec.missing:
        packed = np.append(packed, np.nan)
    return _cast(packed, spec.dtype)


def _cast(values: NDArray[np.float64], name: str) -> Array:
    return values.astype(numpy_dtype(name))
