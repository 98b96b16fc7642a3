"""How large a dimension can be: 1 <= B <= 2**20, other names 1 to 4096."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from lossdoctor.graph import dims
from lossdoctor.graph.ir import Dim

Size = tuple[float, float]
ASSUMPTION = "1 <= B <= 2^20, every other named dimension from 1 to 4096"
DENORMALS = "numbers below the smallest normal one are 0, as TensorFlow flushes them on CPUs"
_BATCH: Size = (1, 2**20)
_NAMED: Size = (1, 4096)
_UNKNOWN: Size = (0, 2.0**62)  # any tensor that fits in memory; empty ones included


def size(dim: Dim) -> Size:
    """The least and the largest value of a dimension."""
    if isinstance(dim, int):
        return (0, _UNKNOWN[1]) if dim < 0 else (dim, dim)
    if dim == dims.UNKNOWN:
        return _UNKNOWN
    low = high = 0.0
    try:
        terms = dims.parse(dim)
    except ValueError:
        return _UNKNOWN
    for coefficient, names in terms:
        ranges = [_BATCH if name == "B" else _NAMED for name in names]
        ends = sorted((coefficient * prod(r[0] for r in ranges), coefficient * prod(r[1] for r in ranges)))
        low, high = low + ends[0], high + ends[1]
    return low, high


def count(shape: Sequence[Dim] | None, axes: Iterable[int] | None = None) -> Size:
    """How many elements a tensor has, or a slice of it along `axes`."""
    if shape is None:
        return _UNKNOWN
    chosen = shape if axes is None else [shape[axis] for axis in axes]
    low = high = 1.0
    for dim in chosen:
        least, most = size(dim)
        low, high = low * max(least, 0.0), high * most
    return low, high


def same(left: Sequence[Dim] | None, right: Sequence[Dim] | None) -> bool:
    """Whether two shapes are equal whatever the names stand for."""
    return (
        left is not None
        and right is not None
        and len(left) == len(right)
        and all(a == b and a != dims.UNKNOWN for a, b in zip(left, right, strict=True))
    )
