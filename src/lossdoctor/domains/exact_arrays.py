"""Arrays of balls, and the operations on them that are more than one element at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from lossdoctor.domains.exact_namespace import BALLS, Ball, ball, equal, less, maximum, minimum
from lossdoctor.ops.arrays import Array, is_array

Axis = int | tuple[int, ...] | None
Function = Callable[[Any], Any] | Callable[[Any, Any], Any]  # of one element, or of two


def is_balls(value: object) -> bool:
    return is_array(value) and value.dtype == object


def mapped(function: Function, *arrays: Any) -> Array:
    """`function` of the elements of broadcast arrays; always an array of objects."""
    result: Any = np.frompyfunc(function, len(arrays), 1)(*arrays)
    if is_array(result):
        return result
    scalar = np.empty((), object)
    scalar[()] = result
    return scalar


def balls(value: Any) -> Any:
    """The exact numbers of a float array, or of the plain numbers among the objects of one; tuples by element.

    Integers and booleans that decide or index stay NumPy arrays.
    """
    if isinstance(value, tuple):
        return tuple(balls(part) for part in cast("tuple[Any, ...]", value))
    if not is_array(value) or value.dtype.kind in "iubSU":
        return value
    if value.dtype == object:
        return mapped(ball, value)
    return mapped(Ball, value.astype(np.float64))


def _last(x: Array, axis: Axis) -> tuple[Array, tuple[int, ...]]:
    """The reduced axes as one last axis, and the shape with ones in their place."""
    every = range(x.ndim)
    axes = tuple(every) if axis is None else tuple(a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis))
    kept = [a for a in every if a not in axes]
    moved = np.transpose(x, [*kept, *axes]).reshape([x.shape[a] for a in kept] + [-1])
    return moved, tuple(1 if a in axes else x.shape[a] for a in every)


def _fold(function: Callable[[Any, Any], Any], start: Any) -> Callable[..., Array]:
    def value(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        if x.size == 0:
            raise ValueError("the reduction of nothing")
        rows, shape = _last(x, axis)
        result = np.empty(rows.shape[:-1], object)
        for index in np.ndindex(result.shape):
            total = start
            for element in rows[index]:
                total = element if total is None else function(total, element)
            result[index] = total
        kept = tuple(n for n, m in zip(shape, _marks(x, axis), strict=True) if not m)
        return result.reshape(shape if keepdims else kept)

    return value


def _marks(x: Array, axis: Axis) -> tuple[bool, ...]:
    """Which axes are reduced."""
    if axis is None:
        return (True,) * x.ndim
    axes = {a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis)}
    return tuple(a in axes for a in range(x.ndim))


total = _fold(lambda x, y: x + y, None)
product = _fold(lambda x, y: x * y, None)
largest = _fold(maximum, None)
smallest = _fold(minimum, None)


def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    result = total(x, axis=axis, keepdims=keepdims)
    return mapped(lambda s: s / (x.size // result.size), result)


def norm(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return mapped(lambda s: s.sqrt(), total(mapped(lambda e: e * e, x), axis=axis, keepdims=keepdims))


def half_square_sum(x: Array) -> Array:
    return mapped(lambda s: s / 2, total(mapped(lambda e: e * e, x)))


def order(x: Array) -> Array:
    """Indices that sort the last axis from high to low, the lower index first among equals."""
    result = np.empty(x.shape, np.int64)
    for index in np.ndindex(x.shape[:-1]):
        row = x[index]
        places: list[int] = []
        for place in range(len(row)):  # insertion: every comparison is decided or raises
            at = len(places)
            while at and less(row[places[at - 1]], row[place]):
                at -= 1
            places.insert(at, place)
        result[index] = places
    return result


def arg_best(x: Array, *, axis: int, highest: bool) -> Array:
    ranked = np.moveaxis(x if highest else mapped(lambda e: -e, x), axis, -1)
    return order(ranked)[..., 0]


def top_k(x: Array, *, k: int) -> tuple[Array, Array]:
    places = order(x)[..., :k]
    return np.take_along_axis(x, places, axis=-1), places


def softmax(x: Array) -> Array:
    powers = mapped(lambda e: e.exp(), x)
    return mapped(lambda e, s: e / s, powers, total(powers, axis=-1, keepdims=True))


def log_softmax(x: Array) -> Array:
    return mapped(lambda e, s: e - s, x, logsumexp(x))


def logsumexp(x: Array) -> Array:
    return mapped(lambda s: s.log(), total(mapped(lambda e: e.exp(), x), axis=-1, keepdims=True))


def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Loss of each row, and its gradient with respect to the logits."""
    logits, labels = np.broadcast_arrays(logits, labels)
    terms = mapped(lambda t, e: Ball(0) if equal(t, 0) else -t * e, labels, log_softmax(logits))
    return total(terms, axis=-1), mapped(lambda s, t: s - t, softmax(logits), labels)


def sparse_softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    classes = logits.shape[-1]
    if np.any((labels < 0) | (labels >= classes)):
        raise IndexError("a label outside the range of the classes")
    places: Array = np.arange(classes, dtype=np.int64)
    hot = balls(np.equal(places, labels[..., None]).astype(np.float64))
    return softmax_cross_entropy(logits, hot)


REDUCTIONS: dict[str, Callable[..., Array]] = {
    "sum": total,
    "mean": mean,
    "prod": product,
    "max": largest,
    "min": smallest,
    "vector_norm": norm,
}
ROWS: dict[str, Callable[..., Any]] = {
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softmax_cross_entropy": softmax_cross_entropy,
    "sparse_softmax_cross_entropy": sparse_softmax_cross_entropy,
    "half_square_sum": half_square_sum,
}


def doubles(value: Array, bits: int = 40) -> Array:
    """The nearest float64; NaN where the ball is wider than `bits` relative (and than 2^-200).

    An array that is not of balls is converted as it is.
    """
    if not is_balls(value):
        return np.asarray(value, np.float64)
    tiny = Ball(2) ** -200

    def rounded(x: Any) -> float:
        if x.is_exact() or x.rel_accuracy_bits() >= bits or (x.is_finite() and abs(x) < tiny):
            return float(x.mid())
        return float("nan")

    return mapped(rounded, value).astype(np.float64)


def real_row(function: Callable[..., Any], args: Sequence[Any], attrs: dict[str, Any]) -> Array:
    """A `real` row, element by element."""

    def value(*elements: Any) -> Any:
        return function(BALLS, *elements, **attrs)

    return mapped(value, *args)
