"""Reductions over the rows that share a segment id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lossdoctor.ops.arrays import Array, in_single, like
from lossdoctor.ops.table import Flow, op


def _reduced(data: Array, ids: Array, number: int, start: Any, write: Callable[..., Any], drop: bool) -> Array:
    rows = data.reshape((ids.size, *data.shape[ids.ndim :]))
    flat = ids.ravel()
    if drop:  # the unsorted kernels skip negative ids
        rows, flat = rows[flat >= 0], flat[flat >= 0]
    if np.any((flat < 0) | (flat >= number)):
        raise IndexError("segment id out of range")
    result = np.full((number, *rows.shape[1:]), start).astype(data.dtype)
    write(result, flat, rows)
    return result


def _extreme(data: Array, sign: int) -> Any:
    """What the unsorted kernels put in empty segments: the lowest or highest finite number."""
    info = np.finfo(data.dtype) if data.dtype.kind == "f" else np.iinfo(data.dtype)
    return info.min if sign < 0 else info.max


def _unsorted(write: Callable[..., Any], start: float | None, sign: int = 0) -> Callable[..., Array]:
    def value(data: Array, ids: Array, *, num: int) -> Array:
        first = start if start is not None else _extreme(data, sign)
        return _reduced(data, ids, num, first, write, drop=True)

    return value


def _sorted(write: Callable[..., Any], start: float | None, empty: float, sign: int = 0) -> Callable[..., Array]:
    def value(data: Array, ids: Array) -> Array:
        if np.any(np.diff(ids) < 0):
            raise ValueError("segment ids are not sorted")
        number = int(ids[-1]) + 1 if ids.size else 0
        first = start if start is not None else _extreme(data, sign)
        result = _reduced(data, ids, number, first, write, drop=False)
        result[~np.isin(np.arange(number), ids)] = like(data, empty)
        return result

    return value


_segment_sum = _sorted(np.add.at, 0.0, 0.0)


def _segment_mean(data: Array, ids: Array) -> Array:
    counts = np.maximum(np.bincount(ids), 1).reshape((-1,) + (1,) * (data.ndim - 1))
    return _segment_sum(data, ids) / counts.astype(data.dtype)


def _sparse_segment_sum(data: Array, indices: Array, ids: Array) -> Array:
    return _segment_sum(data[indices], ids)


def _sparse_segment_sum_grad(dy: Array, indices: Array, ids: Array, *, num: int) -> Array:
    return _reduced(dy[ids], indices, num, 0.0, np.add.at, drop=False)


def _row(
    name: str, tf: str, value: Any, trend: int = 1, flow: Flow = "smooth", ulps: float = 1.0, **facts: Any
) -> None:
    op(name, "reduce", tf=(tf,), value=in_single(value), trend=(trend, 0), flow=(flow, "none"), ulps=ulps, **facts)


NUMBER: dict[str, Any] = {"params": {2: "num"}}
_row("segment_sum", "SegmentSum", _segment_sum)
_row("segment_mean", "SegmentMean", _segment_mean, ulps=1.5)
_row("segment_prod", "SegmentProd", _sorted(np.multiply.at, 1.0, 1.0), trend=0)
_row("segment_max", "SegmentMax", _sorted(np.maximum.at, None, 0.0, -1), flow="kink", ulps=0.0)
_row("segment_min", "SegmentMin", _sorted(np.minimum.at, None, 0.0, 1), flow="kink", ulps=0.0)
_row("unsorted_segment_sum", "UnsortedSegmentSum", _unsorted(np.add.at, 0.0), **NUMBER)
_row("unsorted_segment_prod", "UnsortedSegmentProd", _unsorted(np.multiply.at, 1.0), trend=0, **NUMBER)
_row("unsorted_segment_max", "UnsortedSegmentMax", _unsorted(np.maximum.at, None, -1), flow="kink", ulps=0.0, **NUMBER)
_row("unsorted_segment_min", "UnsortedSegmentMin", _unsorted(np.minimum.at, None, 1), flow="kink", ulps=0.0, **NUMBER)
_row("sparse_segment_sum", "SparseSegmentSum", _sparse_segment_sum)
_row("sparse_segment_sum_grad", "SparseSegmentSumGrad", _sparse_segment_sum_grad, flow="none", params={3: "num"})
