"""The abstract value: for each box of inputs an interval that encloses every element of a tensor.

Endpoints are float64 and are themselves numbers of the tensor's dtype, rounded outward. An interval with
low > high is empty: then the elements can only be NaN, and if NaN is excluded too, no input lies in that box.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Leaf = tuple[int, tuple[object, ...]]  # a node whose elements are taken as free, and the moves made since

INF = np.inf
# Largest finite and smallest normal number, bits of the significand, smallest denormal (IEEE 754-2019 table 3.5).
_FORMATS: dict[str, tuple[float, float, int]] = {
    "float16": (65504.0, 2.0**-14, 11),
    "bfloat16": (float.fromhex("0x1.fep127"), 2.0**-126, 8),
    "float32": (float.fromhex("0x1.fffffep127"), 2.0**-126, 24),
    "float64": (float.fromhex("0x1.fffffffffffffp1023"), 2.0**-1022, 53),
}
_INTEGERS: dict[str, tuple[float, float]] = {
    **{f"int{bits}": (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0.0, 2.0**bits - 1) for bits in (8, 16, 32, 64)},
    "bool": (0.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class SliceFact:
    """A fact about every slice along `axes` (negative numbers): a number in [low, high]."""

    axes: tuple[int, ...]
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Enclosure:
    """`low`, `high`, `nan` have one entry, or one for each box.

    Element o of the tensor is a function of element o (by the rules of broadcasting) of each of `leaves` only, and
    lies in [low[k], high[k]] (or is NaN where `nan[k]`) if those elements lie in box k. Without leaves, the one
    entry holds for all elements.
    """

    low: Floats
    high: Floats
    nan: Bools
    leaves: frozenset[Leaf] = frozenset()
    whole: bool = False  # no element has a fractional part
    peak: SliceFact | None = None  # some element of each slice lies in [low, high]
    total: SliceFact | None = None  # no element is negative; the exact sum of each slice lies in [low, high]
    parts: tuple[Enclosure, ...] = ()  # of a node with several results

    def plain(self) -> Enclosure:
        """Without the facts about slices."""
        return self if self.peak is None and self.total is None else replace(self, peak=None, total=None)

    def joined(self) -> Enclosure:
        """One interval for all boxes; facts about slices and whole numbers stay."""
        return replace(
            self,
            low=np.array([self.low.min()]),
            high=np.array([self.high.max()]),
            nan=np.array([self.nan.any()]),
            leaves=frozenset(),
        )

    @property
    def bounded(self) -> Bools:
        """Where neither NaN nor an infinity can occur."""
        return ~self.nan & (((self.low > -INF) & (self.high < INF)) | (self.low > self.high))


def constant(low: float, high: float, *, nan: bool = False, whole: bool = False) -> Enclosure:
    return Enclosure(np.array([low]), np.array([high]), np.array([nan]), whole=whole)


def anything(dtype: str) -> Enclosure:
    """Every value of the dtype, NaN included for floats."""
    if dtype in _INTEGERS:
        low, high = _INTEGERS[dtype]
        return constant(low, high, whole=True)
    return constant(-INF, INF, nan=True)


def is_float(dtype: str) -> bool:
    return dtype in _FORMATS


def largest(dtype: str) -> float:
    return _FORMATS[dtype][0] if dtype in _FORMATS else _INTEGERS.get(dtype, (-INF, INF))[1]


def tiniest(dtype: str) -> float:
    """The smallest normal number; 1 for integers."""
    return _FORMATS[dtype][1] if dtype in _FORMATS else 1.0


def unit_roundoff(dtype: str) -> float:
    return 2.0 ** -_FORMATS[dtype][2] if dtype in _FORMATS else 0.0


def integer_range(dtype: str) -> tuple[float, float] | None:
    return _INTEGERS.get(dtype)


def step_down(values: Floats, dtype: str, steps: int) -> Floats:
    """`steps` numbers of the dtype below each value (which is one of the dtype)."""
    if steps <= 0:
        return values
    return -step_up(-values, dtype, steps)


def step_up(values: Floats, dtype: str, steps: int) -> Floats:
    """`steps` numbers of the dtype above each value (which is one of the dtype)."""
    if steps <= 0 or not is_float(dtype):
        return values
    if dtype == "bfloat16":
        # A step of bfloat16 is 2**16 steps of float32; |v| * 2**-7 is at least a step of a normal number.
        moved = values + steps * np.maximum(np.abs(values) * 2.0**-7, 2.0**-133)
        return np.where(moved > _FORMATS[dtype][0], INF, round_to(moved, dtype))
    kind = np.dtype(dtype)
    with np.errstate(over="ignore"):  # a cut beyond the largest number of the dtype is one at infinity
        out = values.astype(kind)
    for _ in range(steps):
        out = np.nextafter(out, np.array(INF, kind))
    return out.astype(np.float64)


def round_to(values: Floats, dtype: str) -> Floats:
    """To the nearest number of the dtype, ties to even; beyond the largest to infinity."""
    if dtype in ("float16", "float32"):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return values.astype(dtype).astype(np.float64)
    if dtype == "bfloat16":
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            single = np.atleast_1d(values.astype(np.float32))
        bits = single.view(np.uint32)
        kept = ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
        return np.where(np.isfinite(single), kept, single).astype(np.float64).reshape(np.shape(values))
    return values


def outward(low: Floats, high: Floats, dtype: str, ulps: float = 0.0) -> tuple[Floats, Floats]:
    """Endpoints of the exact result as the machine may compute them.

    Rounding to nearest is monotone, so the rounded endpoints enclose every correctly rounded result; `ulps` more on
    each side cover a kernel with that error. A range that reaches into the denormals reaches zero, because TensorFlow
    flushes them on CPUs.
    """
    if not is_float(dtype):
        return low, high
    steps = int(np.ceil(ulps))
    # A kernel with a relative error keeps the sign.
    positive, negative = low >= 0.0, high <= 0.0
    low, high = step_down(round_to(low, dtype), dtype, steps), step_up(round_to(high, dtype), dtype, steps)
    low, high = np.where(positive, np.maximum(low, 0.0), low), np.where(negative, np.minimum(high, 0.0), high)
    tiny = tiniest(dtype)
    low = np.where((low > 0.0) & (low < tiny), 0.0, low)
    high = np.where((high < 0.0) & (high > -tiny), 0.0, high)
    return low, high


def made(
    low: Floats,
    high: Floats,
    nan: Bools,
    dtype: str,
    sources: Iterable[Enclosure] = (),
    *,
    ulps: float = 0.0,
    whole: bool = False,
) -> Enclosure:
    """The enclosure of a result with exact endpoints `low`, `high`, computed elementwise from `sources`.

    Where an endpoint is NaN nothing is known on that side. Integers that may leave their range wrap around, so they
    can be any.
    """
    low, high = np.atleast_1d(low), np.atleast_1d(high)
    lost = np.isnan(low) | np.isnan(high)
    if lost.any():
        low, high = np.where(lost, -INF, low), np.where(lost, INF, high)
    low, high = outward(low, high, dtype, ulps)
    bounds = _INTEGERS.get(dtype)
    if bounds is not None:
        wraps = (low < bounds[0]) | (high > bounds[1])
        low, high = np.where(wraps, bounds[0], low), np.where(wraps, bounds[1], high)
        whole = True
    size = max(low.size, high.size, np.size(nan))
    leaves: frozenset[Leaf] = frozenset()
    for source in sources:
        leaves |= source.leaves
        nan = nan | source.nan
    size = max(size, np.size(nan))
    return Enclosure(
        np.broadcast_to(low, (size,)),
        np.broadcast_to(high, (size,)),
        np.broadcast_to(np.atleast_1d(nan), (size,)),
        leaves,
        whole,
    )


def union(first: Enclosure, *others: Enclosure) -> Enclosure:
    """Box by box, what any of the enclosures allows."""
    low, high, nan, leaves, whole = first.low, first.high, first.nan, first.leaves, first.whole
    for other in others:
        low, high, nan = np.minimum(low, other.low), np.maximum(high, other.high), nan | other.nan
        leaves, whole = leaves | other.leaves, whole and other.whole
    size = max(low.size, nan.size)
    return Enclosure(low, high, np.broadcast_to(nan, (size,)), leaves, whole)


def limited(value: Enclosure, low: float = -INF, high: float = INF) -> Enclosure:
    """Intersected with a range that is known to hold for every element that is not NaN."""
    return replace(value, low=np.maximum(value.low, low), high=np.minimum(value.high, high))
