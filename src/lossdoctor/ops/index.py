"""Reading and writing elements at indices: slices, gather, scatter, one-hot, counting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lossdoctor.ops.arrays import Array, in_single, like
from lossdoctor.ops.table import op

Shape = tuple[int, ...]
MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def slices(rank: int, begin: Shape, end: Shape, strides: Shape, masks: dict[str, int]) -> tuple[Any, ...]:
    """The NumPy index of a strided slice; bit i of each mask belongs to entry i (StridedSlice's documentation)."""

    def bit(mask: str, entry: int) -> bool:
        return bool(masks.get(mask, 0) >> entry & 1)

    index: list[Any] = []
    for entry, (start, stop, step) in enumerate(zip(begin, end, strides, strict=True)):
        if bit("ellipsis_mask", entry):
            index.append(Ellipsis)
        elif bit("new_axis_mask", entry):
            index.append(None)
        elif bit("shrink_axis_mask", entry):
            index.append(int(start))
        else:
            index.append(
                slice(
                    None if bit("begin_mask", entry) else int(start),
                    None if bit("end_mask", entry) else int(stop),
                    int(step),
                )
            )
    if sum(part is not None and part is not Ellipsis for part in index) > rank:
        raise IndexError("more entries than axes")
    return tuple(index)


def _strided_slice(x: Array, *, begin: Shape, end: Shape, strides: Shape, **masks: int) -> Array:
    return x[slices(x.ndim, begin, end, strides, masks)]


def _strided_slice_grad(dy: Array, *, shape: Shape, begin: Shape, end: Shape, strides: Shape, **masks: int) -> Array:
    result = np.zeros(shape, dy.dtype)
    result[slices(len(shape), begin, end, strides, masks)] = dy
    return result


def _strided_slice_update(x: Array, part: Array, *, begin: Shape, end: Shape, strides: Shape, **masks: int) -> Array:
    result = x.copy()
    result[slices(x.ndim, begin, end, strides, masks)] = part
    return result


def _slice(x: Array, *, begin: Shape, size: Shape) -> Array:
    return x[tuple(slice(b, None if n == -1 else b + n) for b, n in zip(begin, size, strict=True))]


def _dynamic_update_slice(x: Array, part: Array, start: Array) -> Array:
    begin = [min(max(int(s), 0), n - m) for s, n, m in zip(start, x.shape, part.shape, strict=True)]
    result = x.copy()
    result[tuple(slice(b, b + n) for b, n in zip(begin, part.shape, strict=True))] = part
    return result


def _checked(indices: Array, size: int) -> Array:
    if np.any((indices < 0) | (indices >= size)):
        raise IndexError("index out of range")  # TensorFlow on CPU raises as well
    return indices


def _take(x: Array, indices: Array, *, axis: int = 0, batch_dims: int = 0) -> Array:
    batch_dims = batch_dims % (indices.ndim + 1) if batch_dims < 0 else batch_dims
    axis = axis % x.ndim
    _checked(indices, x.shape[axis])
    if not batch_dims:
        return np.take(x, indices, axis=axis)
    # Make the batch axes one, take row by row, and put them back.
    batch = x.shape[:batch_dims]
    rows, picks = x.reshape((-1, *x.shape[batch_dims:])), indices.reshape((-1, *indices.shape[batch_dims:]))
    parts = [np.take(row, pick, axis=axis - batch_dims) for row, pick in zip(rows, picks, strict=True)]
    inner = x.shape[batch_dims:axis] + indices.shape[batch_dims:] + x.shape[axis + 1 :]
    return (np.stack(parts) if parts else np.zeros((0, *inner), x.dtype)).reshape(batch + inner)


def _coordinates(indices: Array, shape: Shape) -> tuple[Array, ...]:
    parts = tuple(np.moveaxis(indices, -1, 0))
    return tuple(_checked(part, size) for part, size in zip(parts, shape, strict=False))


def _gather_nd(x: Array, indices: Array) -> Array:
    at = _coordinates(indices, x.shape)
    return x[at] if at else np.broadcast_to(x, indices.shape[:-1] + x.shape)


def _scatter_nd(indices: Array, updates: Array, *, shape: Shape) -> Array:
    result = np.zeros(shape, updates.dtype)
    np.add.at(result, _coordinates(indices, shape), updates)
    return result


def _tensor_scatter(write: Callable[..., Any]) -> Callable[..., Array]:
    def value(x: Array, indices: Array, updates: Array) -> Array:
        result = x.copy()
        write(result, _coordinates(indices, x.shape), updates)
        return result

    return value


def _one_hot(indices: Array, on: Array, off: Array, *, depth: int, axis: int = -1) -> Array:
    hot = np.where(indices[..., None] == np.arange(depth), on, off)
    return np.moveaxis(hot, -1, axis)


def _nonzero(x: Array) -> Array:
    return np.argwhere(x).astype(np.int64)


def _unique(x: Array) -> tuple[Array, Array, Array]:
    """Values in order of first occurrence, where each element went, and how often each occurred."""
    values, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return values[order], place[inverse].astype(np.int32), counts[order].astype(np.int32)


def _unique_inverse(x: Array) -> tuple[Array, Array]:
    return _unique(x)[:2]


def _list_difference(x: Array, y: Array, *, dtype: str = "int32") -> tuple[Array, Array]:
    keep = ~np.isin(x, y)
    return x[keep], np.nonzero(keep)[0].astype(dtype)


def _dynamic_stitch(*parts: Array) -> Array:
    """The first half of the arguments are indices, the second data; later ones overwrite earlier ones."""
    indices, data = parts[: len(parts) // 2], parts[len(parts) // 2 :]
    size = max((int(index.max()) + 1 for index in indices if index.size), default=0)
    result = np.zeros((size, *data[0].shape[indices[0].ndim :]), data[0].dtype)
    for index, rows in zip(indices, data, strict=True):
        result[index.ravel()] = rows.reshape((-1, *result.shape[1:]))
    return result


def _dynamic_partition(x: Array, partitions: Array, *, number: int) -> tuple[Array, ...]:
    return tuple(x[partitions == part] for part in range(number))


def _bincount(x: Array, weights: Array, *, size: int, binary: bool = False) -> Array:
    if np.any(x < 0):
        raise ValueError("a negative number to count")
    rows = x[None] if x.ndim == 1 else x
    result = np.zeros((len(rows), size), weights.dtype)
    kept = rows < size
    values = np.ones(rows.shape, weights.dtype) if binary or not weights.size else weights.reshape(rows.shape)
    row = np.broadcast_to(np.arange(len(rows))[:, None], rows.shape)
    if binary:
        result[row[kept], rows[kept]] = 1
    else:
        np.add.at(result, (row[kept], rows[kept]), values[kept])
    return result[0] if x.ndim == 1 else result


def _histogram(x: Array, bounds: Array, *, num: int, dtype: str = "int32") -> Array:
    low, high = bounds
    step = (high - low) / like(bounds, num)
    bins = np.clip(np.floor((x.ravel() - low) / step), 0, num - 1).astype(np.int64)
    return np.bincount(bins, minlength=num).astype(dtype)


def _searchsorted(side: Any) -> Callable[..., Array]:
    def value(rows: Array, values: Array, *, dtype: str = "int32") -> Array:
        result = np.zeros(values.shape, dtype)
        for i, (row, value) in enumerate(zip(rows, values, strict=True)):
            result[i] = np.searchsorted(row, value, side=side)
        return result

    return value


def _bucketize(x: Array, *, boundaries: tuple[float, ...]) -> Array:
    return np.searchsorted(np.array(boundaries, np.float32), x, side="right").astype(np.int32)


def _row(name: str, tf: tuple[str, ...], value: Any, **facts: Any) -> None:
    op(name, "shape", tf=tf, value=value, trend=facts.pop("trend", (1,)), ulps=facts.pop("ulps", 0.0), **facts)


BOUNDS: dict[str, Any] = {"attrs": {mask: mask for mask in MASKS}}
_row("strided_slice", ("StridedSlice",), _strided_slice, params={1: "begin", 2: "end", 3: "strides"}, **BOUNDS)
_row("strided_slice_grad", ("StridedSliceGrad",), _strided_slice_grad,
     params={0: "shape", 1: "begin", 2: "end", 3: "strides"}, **BOUNDS)  # fmt: skip
_row("strided_slice_update", ("TensorStridedSliceUpdate",), _strided_slice_update,
     params={1: "begin", 2: "end", 3: "strides"}, **BOUNDS)  # fmt: skip
_row("slice", ("Slice",), _slice, params={1: "begin", 2: "size"})
_row("dynamic_update_slice", ("XlaDynamicUpdateSlice",), _dynamic_update_slice, flow=("none",))
_row("take", ("Gather", "GatherV2", "ResourceGather"), _take, params={2: "axis"}, attrs={"batch_dims": "batch_dims"},
     trend=(1, 0), flow=("smooth", "none"))  # fmt: skip
_row("gather_nd", ("GatherNd", "ResourceGatherNd"), _gather_nd, trend=(1, 0), flow=("smooth", "none"))
_row("scatter_nd", ("ScatterNd",), _scatter_nd, params={2: "shape"}, trend=(0, 1), flow=("none", "smooth"), ulps=1.0)


def _assign(x: Array, at: Any, updates: Array) -> None:
    x[at] = updates


def _scatter_row(name: str, tf: str, write: Callable[..., Any], last: str, ulps: float) -> None:
    _row(name, (tf,), _tensor_scatter(write), trend=(0,), flow=("smooth", "none", last), ulps=ulps)


_scatter_row("scatter_update", "TensorScatterUpdate", _assign, "smooth", 0.0)
_scatter_row("scatter_add", "TensorScatterAdd", np.add.at, "smooth", 1.0)
_scatter_row("scatter_subtract", "TensorScatterSub", np.subtract.at, "smooth", 1.0)
_scatter_row("scatter_max", "TensorScatterMax", np.maximum.at, "kink", 0.0)
_scatter_row("scatter_min", "TensorScatterMin", np.minimum.at, "kink", 0.0)
_row("one_hot", ("OneHot",), _one_hot, params={1: "depth"}, attrs={"axis": "axis"}, trend=(0, 1, 1), flow=("none",))
_row("nonzero", ("Where",), _nonzero, trend=(0,), flow=("none",))
_row("unique", ("Unique", "UniqueV2"), _unique_inverse, outputs=2, trend=(0,), flow=("none",))
_row("unique_counts", ("UniqueWithCounts", "UniqueWithCountsV2"), _unique, outputs=3, trend=(0,), flow=("none",))
_row(
    "list_difference",
    ("ListDiff",),
    _list_difference,
    outputs=2,
    attrs={"out_idx": "dtype"},
    trend=(0,),
    flow=("none",),
)
_row("dynamic_stitch", ("DynamicStitch", "ParallelDynamicStitch"), _dynamic_stitch)
_row("dynamic_partition", ("DynamicPartition",), _dynamic_partition, attrs={"num_partitions": "number"}, outputs=0,
     flow=("smooth", "none"))  # fmt: skip
_row("bincount", ("Bincount", "DenseBincount"), in_single(_bincount), params={1: "size"},
     attrs={"binary_output": "binary"}, trend=(0,), flow=("none",), ulps=1.0)  # fmt: skip
_row("histogram", ("HistogramFixedWidth",), _histogram, params={2: "num"}, attrs={"dtype": "dtype"}, trend=(0,),
     flow=("none",))  # fmt: skip
_row(
    "searchsorted_left", ("LowerBound",), _searchsorted("left"), attrs={"out_type": "dtype"}, trend=(0,), flow=("none",)
)
_row("searchsorted_right", ("UpperBound",), _searchsorted("right"), attrs={"out_type": "dtype"}, trend=(0,),
     flow=("none",))  # fmt: skip
_row("bucketize", ("Bucketize",), _bucketize, attrs={"boundaries": "boundaries"}, trend=(0,), flow=("none",))
