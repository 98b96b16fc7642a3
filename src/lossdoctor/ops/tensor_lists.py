"""Tensor lists: what TensorArray, map_fn and the gradients of loops are made of.

A list is a Python tuple of arrays; an element that was never written is None and reads as zeros.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from lossdoctor.ops.arrays import Array
from lossdoctor.ops.table import op

Items = tuple[Array | None, ...]
Shape = tuple[int, ...]


def _element(items: Items, index: int, shape: Shape | None, dtype: str) -> Array:
    item = items[index]
    if item is not None:
        return item
    known = next((other.shape for other in items if other is not None), None)
    known = known if known is not None else shape
    if known is None or any(n < 0 for n in known):
        raise ValueError("the shape of an element that was never written")
    return np.zeros(known, dtype)


def _reserve(number: Array, *, element_shape: Any = None) -> Items:
    return (None,) * int(number)


def _empty(_limit: Array | None = None, *, element_shape: Any = None) -> Items:
    return ()


def _from_tensor(x: Array, *, element_shape: Any = None) -> Items:
    return tuple(x)


def _get(items: Items, index: Array, *, element_shape: Any = None, dtype: str) -> Array:
    return _element(items, int(index), _static(element_shape), dtype)


def _static(shape: Any) -> Shape | None:
    if not isinstance(shape, tuple):
        return None
    sizes = cast(tuple[Any, ...], shape)
    return sizes if all(isinstance(size, int) for size in sizes) else None


def _set(items: Items, index: Array, item: Array, *, resize: bool = False) -> Items:
    at = int(index)
    if at >= len(items) and resize:
        items = items + (None,) * (at + 1 - len(items))
    if not 0 <= at < len(items):
        raise IndexError("index outside the list")
    return (*items[:at], item, *items[at + 1 :])


def _stack(items: Items, *, element_shape: Any = None, dtype: str) -> Array:
    if not items:
        known = _static(element_shape)
        if known is None or any(n < 0 for n in known):
            raise ValueError("the shape of the elements of an empty list")
        return np.zeros((0, *known), dtype)
    return np.stack([_element(items, i, _static(element_shape), dtype) for i in range(len(items))])


def _gather(items: Items, indices: Array, *, element_shape: Any = None, dtype: str) -> Array:
    return np.stack([_element(items, int(i), _static(element_shape), dtype) for i in indices])


def _scatter_into(items: Items, x: Array, indices: Array) -> Items:
    result = list(items)
    for row, index in zip(x, indices, strict=True):
        if index >= len(result):
            result += [None] * (int(index) + 1 - len(result))
        result[int(index)] = row
    return tuple(result)


def _push(items: Items, item: Array) -> Items:
    return (*items, item)


def _pop(items: Items, *, element_shape: Any = None, dtype: str = "float32") -> tuple[Items, Array]:
    return items[:-1], _element(items, len(items) - 1, _static(element_shape), dtype)


def _length(items: Items) -> Array:
    return np.array(len(items), np.int32)


def _element_shape(items: Items, *, dtype: str = "int32") -> Array:
    known = next((item.shape for item in items if item is not None), None)
    if known is None:
        raise ValueError("the shape of elements that were never written")
    return np.array(known, dtype)


def _resize(items: Items, size: Array) -> Items:
    return (*items[: int(size)], *(None,) * (int(size) - len(items)))


def _split(x: Array, lengths: Array, *, element_shape: Any = None) -> Items:
    return tuple(np.split(x, np.cumsum(lengths)[:-1]))


def _concat(items: Items, *_: Any, element_shape: Any = None) -> tuple[Array, Array]:
    parts = [item for item in items if item is not None]
    if len(parts) != len(items) or not parts:
        raise ValueError("the shape of an element that was never written")
    return np.concatenate(parts), np.array([len(part) for part in parts], np.int64)


def _row(name: str, tf: tuple[str, ...], value: Any = None, **facts: Any) -> None:
    op(f"list_{name}", "control", tf=tf, value=value, ulps=0.0, **facts)


_row("reserve", ("TensorListReserve",), _reserve, params={0: "element_shape"}, flow=("none",))
_row("empty", ("EmptyTensorList",), _empty, params={0: "element_shape"}, flow=("none",))
_row("from_array", ("TensorListFromTensor",), _from_tensor, params={1: "element_shape"})
_row("get", ("TensorListGetItem",), _get, params={2: "element_shape"}, attrs={"element_dtype": "dtype"},
     flow=("smooth", "none"))  # fmt: skip
_row("set", ("TensorListSetItem",), _set, attrs={"resize_if_index_out_of_bounds": "resize"},
     flow=("smooth", "none", "smooth"))  # fmt: skip
_row("stack", ("TensorListStack",), _stack, params={1: "element_shape"}, attrs={"element_dtype": "dtype"})
_row("gather", ("TensorListGather",), _gather, params={2: "element_shape"}, attrs={"element_dtype": "dtype"},
     flow=("smooth", "none"))  # fmt: skip
_row("scatter", ("TensorListScatterIntoExistingList",), _scatter_into, flow=("smooth", "smooth", "none"))
_row("scatter_new", ("TensorListScatter", "TensorListScatterV2"), flow=("smooth", "none"))
_row("push", ("TensorListPushBack",), _push)
_row("pop", ("TensorListPopBack",), _pop, params={1: "element_shape"}, attrs={"element_dtype": "dtype"}, outputs=2)
_row("length", ("TensorListLength",), _length, flow=("none",))
_row("resize", ("TensorListResize",), _resize, flow=("smooth", "none"))
_row("element_shape", ("TensorListElementShape",), _element_shape, attrs={"shape_type": "dtype"}, flow=("none",))
_row("split", ("TensorListSplit",), _split, params={1: "element_shape"}, flow=("smooth", "none"))
_row("concat", ("TensorListConcat", "TensorListConcatV2"), _concat, params={1: "element_shape"}, outputs=2)
_row("concat_lists", ("TensorListConcatLists",))
