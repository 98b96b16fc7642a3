"""Operations that move elements and compute none.

`shape` (of reshape, broadcast_to, full, …) is the shape of the node itself.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from lossdoctor.ops.arrays import Array, in_single
from lossdoctor.ops.table import Value, op

Shape = tuple[int, ...]


def _squeeze(x: Array, *, axis: Shape | int | None = None) -> Array:
    return np.squeeze(x, axis=None if axis in (None, ()) else axis)


def _expand_dims(x: Array, *, axis: int | Shape) -> Array:
    return np.expand_dims(x, axis)


def _permute_dims(x: Array, *, axes: Shape) -> Array:
    return np.transpose(x, axes)


def _tile(x: Array, *, multiples: Shape | None = None, shape: Shape | None = None) -> Array:
    if multiples is None:
        if shape is None:
            raise ValueError("neither multiples nor shape")
        if 0 in x.shape:
            return np.zeros(shape, x.dtype)
        multiples = tuple(after // before for after, before in zip(shape, x.shape, strict=True))
    return np.tile(x, multiples)


def _concat(*parts: Array, axis: int = 0) -> Array:
    return np.concatenate(parts, axis=axis)


def _stack(*parts: Array, axis: int = 0) -> Array:
    return np.stack(parts, axis=axis)


def _unstack(x: Array, *, axis: int = 0) -> tuple[Array, ...]:
    return tuple(np.moveaxis(x, axis, 0))


def _split(x: Array, *, axis: int, sizes: Shape | int | None = None, number: int | None = None) -> tuple[Array, ...]:
    if sizes is None:
        return tuple(np.split(x, number or 1, axis=axis))
    lengths = [sizes] if isinstance(sizes, int) else list(sizes)
    if -1 in lengths:
        lengths[lengths.index(-1)] = x.shape[axis] - sum(lengths) - 1
    return tuple(np.split(x, np.cumsum(lengths)[:-1], axis=axis))


def _pad(x: Array, fill: Array | None = None, *, paddings: tuple[Shape, ...]) -> Array:
    return np.pad(x, paddings, constant_values=0 if fill is None else fill)


def _mirror_pad(x: Array, *, paddings: tuple[Shape, ...], mode: str) -> Array:
    return np.pad(x, paddings, mode="reflect" if mode == "REFLECT" else "symmetric")


def _mirror_pad_grad(dy: Array, *, paddings: tuple[Shape, ...], mode: str) -> Array:
    """Each element adds to the place it was copied from."""
    for axis, pad in enumerate(paddings):
        length = dy.shape[axis] - sum(pad)
        places: Array = np.arange(length, dtype=np.int64)
        source: Array = np.pad(places, [pad], mode="reflect" if mode == "REFLECT" else "symmetric")
        folded = np.zeros((length, *np.moveaxis(dy, axis, 0).shape[1:]), dy.dtype)
        np.add.at(folded, source, np.moveaxis(dy, axis, 0))
        dy = np.moveaxis(folded, 0, axis)
    return dy


def _roll(x: Array, *, shift: int | Shape, axis: int | Shape) -> Array:
    return np.roll(x, shift, axis)


def _flip(x: Array, *, axis: int | Shape) -> Array:
    return np.flip(x, axis)


def _reverse_sequence(x: Array, lengths: Array, *, axis: int, batch_axis: int = 0) -> Array:
    rows = np.moveaxis(x, (batch_axis, axis), (0, 1)).copy()
    for row, length in zip(rows, lengths, strict=True):
        row[: int(length)] = row[: int(length)][::-1].copy()
    return np.moveaxis(rows, (0, 1), (batch_axis, axis))


def _broadcast_to(x: Array, *, shape: Shape) -> Array:
    return np.broadcast_to(x, shape)


def _reshape(x: Array, *, shape: Shape) -> Array:
    return np.reshape(x, shape)


def _full(fill: Array, *, shape: Shape) -> Array:
    return np.full(shape, fill, dtype=fill.dtype)


def _empty(*, shape: Shape, dtype: str) -> Array:
    return np.zeros(shape, dtype)


def _zeros_like(x: Any) -> Any:
    """Zeros for each element of a tensor list as well."""
    if isinstance(x, tuple):
        return tuple(None if item is None else np.zeros_like(item) for item in cast("tuple[Array | None, ...]", x))
    return np.zeros_like(x)


def _arange(start: Array, stop: Array, step: Array) -> Array:
    # Eigen adds the step again and again in the dtype; NumPy multiplies. They agree for integers and short ranges.
    count = max(0, math.ceil((float(stop) - float(start)) / float(step)))
    return (start + np.arange(count, dtype=start.dtype) * step).astype(start.dtype)


def _linspace(start: Array, stop: Array, number: Array) -> Array:
    return np.linspace(start, stop, int(number), dtype=start.dtype)


def _main(k: int | Shape) -> None:
    if k not in (0, (0, 0), (0,)):
        raise ValueError("only the main diagonal")


def _matrix_diag(
    x: Array, fill: Array | None = None, *, k: int | Shape = 0, rows: int = -1, columns: int = -1
) -> Array:
    _main(k)
    length = x.shape[-1]
    shape = (*x.shape[:-1], length if rows == -1 else rows, length if columns == -1 else columns)
    result = np.full(shape, 0 if fill is None else fill, dtype=x.dtype)
    index = np.arange(length, dtype=np.int64)
    result[..., index, index] = x
    return result


def _matrix_diag_part(x: Array, fill: Array | None = None, *, k: int | Shape = 0) -> Array:
    _main(k)
    return np.diagonal(x, axis1=-2, axis2=-1)


def _matrix_set_diag(x: Array, diagonal: Array, *, k: int | Shape = 0) -> Array:
    _main(k)
    result = x.copy()
    index = np.arange(min(x.shape[-2:]), dtype=np.int64)
    result[..., index, index] = diagonal
    return result


def _band_part(x: Array, *, lower: int, upper: int) -> Array:
    row, column = np.indices(x.shape[-2:])
    inside = ((lower < 0) | (row - column <= lower)) & ((upper < 0) | (column - row <= upper))
    return np.where(inside, x, np.zeros((), x.dtype))


def _bitcast(x: Array, *, dtype: str) -> Array:
    if np.dtype(dtype).itemsize != x.dtype.itemsize:
        raise ValueError("a bitcast that changes the rank")
    return x.view(dtype)


def _shape_of(x: Array, *, dtype: str = "int32") -> Array:
    return np.array(x.shape, dtype)


def _shapes_of(*arrays: Array, dtype: str = "int32") -> tuple[Array, ...]:
    return tuple(np.array(x.shape, dtype) for x in arrays)


def _size_of(x: Array, *, dtype: str = "int32") -> Array:
    return np.array(x.size, dtype)


def _rank_of(x: Array) -> Array:
    return np.array(x.ndim, np.int32)


def _broadcast_shape(s0: Array, s1: Array) -> Array:
    return np.array(np.broadcast_shapes(tuple(s0), tuple(s1)), dtype=s0.dtype)


def _broadcast_axes(s0: Array, s1: Array) -> tuple[Array, Array]:
    """The axes over which each of two broadcast arguments must sum its gradient."""
    rank = max(len(s0), len(s1))
    left, right = ([1] * (rank - len(s)) + [int(n) for n in s] for s in (s0, s1))
    both = [a == b == 1 for a, b in zip(left, right, strict=True)]
    axes: list[list[int]] = [
        [axis for axis in range(rank) if side[axis] == 1 and (other[axis] != 1 or both[axis])]
        for side, other in ((left, right), (right, left))
    ]
    if list(s0) == list(s1):
        axes = [[], []]
    return np.array(axes[0], s0.dtype), np.array(axes[1], s0.dtype)


def _concat_offset(axis: Array, *shapes: Array) -> tuple[Array, ...]:
    offset = 0
    result: list[Array] = []
    for shape in shapes:
        start = np.zeros_like(shape)
        start[int(axis)] = offset
        offset += int(shape[int(axis)])
        result.append(start)
    return tuple(result)


def _row(name: str, tf: tuple[str, ...], value: Value, **facts: Any) -> None:
    op(name, "shape", tf=tf, value=value, trend=facts.pop("trend", (1,)), ulps=0.0, **facts)


_row("reshape", ("Reshape",), _reshape, params={1: "shape"})
_row("squeeze", ("Squeeze",), _squeeze, attrs={"squeeze_dims": "axis"})
_row("expand_dims", ("ExpandDims",), _expand_dims, params={1: "axis"})
_row("permute_dims", ("Transpose",), _permute_dims, params={1: "axes"})
_row("broadcast_to", ("BroadcastTo",), _broadcast_to, params={1: "shape"})
_row("tile", ("Tile",), _tile, params={1: "multiples"})
_row("concat", ("ConcatV2",), _concat, params={-1: "axis"})
_row("stack", ("Pack", "ParallelConcat"), _stack, attrs={"axis": "axis"})
_row("unstack", ("Unpack",), _unstack, attrs={"axis": "axis"}, outputs=0)
_row("split", ("Split",), _split, params={0: "axis"}, attrs={"num_split": "number"}, outputs=0)
_row("split_sizes", ("SplitV",), _split, params={1: "sizes", 2: "axis"}, outputs=0)
_row("full", ("Fill",), _full, params={0: "shape"})
_row("zeros_like", ("ZerosLike",), _zeros_like, flow=("none",))
_row("ones_like", ("OnesLike",), np.ones_like, flow=("none",))
_row("empty", ("Empty",), _empty, params={0: "shape"}, flow=("none",))
_row("arange", ("Range",), _arange, flow=("none",))
_row("linspace", ("LinSpace",), _linspace, flow=("none",))
_row("pad", ("Pad", "PadV2"), in_single(_pad), params={1: "paddings"}, flow=("smooth", "none"))
_row("mirror_pad", ("MirrorPad",), in_single(_mirror_pad), params={1: "paddings"}, attrs={"mode": "mode"})
_row("mirror_pad_grad", ("MirrorPadGrad",), _mirror_pad_grad, params={1: "paddings"}, attrs={"mode": "mode"})
_row("roll", ("Roll",), _roll, params={1: "shift", 2: "axis"})
_row("flip", ("ReverseV2",), _flip, params={1: "axis"})
_row("reverse_sequence", ("ReverseSequence",), _reverse_sequence, attrs={"seq_dim": "axis", "batch_dim": "batch_axis"},
     flow=("smooth", "none"))  # fmt: skip
_row("matrix_diag", ("MatrixDiagV3", "MatrixDiagV2"), _matrix_diag,
     params={1: "k", 2: "rows", 3: "columns"}, flow=("smooth", "none"))  # fmt: skip
_row("matrix_diag_part", ("MatrixDiagPartV3", "MatrixDiagPartV2"), _matrix_diag_part, params={1: "k"},
     flow=("smooth", "none"))  # fmt: skip
_row("matrix_set_diag", ("MatrixSetDiagV3", "MatrixSetDiagV2"), _matrix_set_diag, params={2: "k"})
_row("band_part", ("MatrixBandPart",), _band_part, params={1: "lower", 2: "upper"})
_row("bitcast", ("Bitcast",), _bitcast, attrs={"type": "dtype"}, trend=(0,), flow=("none",))

# Shapes as values; what follows from shapes alone is a `dims` node and never gets here.
_row("shape", ("Shape",), _shape_of, attrs={"out_type": "dtype"}, flow=("none",))
_row("shape_n", ("ShapeN",), _shapes_of, outputs=0,
     attrs={"out_type": "dtype"}, flow=("none",))  # fmt: skip
_row("size", ("Size",), _size_of, attrs={"out_type": "dtype"}, flow=("none",))
_row("ndim", ("Rank",), _rank_of, flow=("none",))
_row("broadcast_shapes", ("BroadcastArgs",), _broadcast_shape, flow=("none",))
_row("broadcast_axes", ("BroadcastGradientArgs",), _broadcast_axes, outputs=2, flow=("none",))
_row("concat_offset", ("ConcatOffset",), _concat_offset, outputs=0, flow=("none",))
