"""Arrays as text: for people, for JSON, and for Python source.

All forms give back the very same numbers in the array's dtype (shortest decimals that do). Up to `LIMIT` elements
an array is a nested list; beyond that a NumPy expression, as short as its structure allows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
LIMIT = 100  # elements of a nested list (DESIGN section 4)
_EDITS = 16  # elements that differ from the rest, in an expression that names each


def witness_value(value: Any) -> Any:
    """A value of the loss for JSON: nested lists and numbers, "nan", "inf", "-inf" as strings, a NumPy expression
    (a string) beyond `LIMIT` elements; structures keep their form, None stays None."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {str(key): witness_value(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [witness_value(part) for part in value]
    array = np.asarray(value)
    if array.size > LIMIT:
        return source(array)
    return _nested(array, _json_number)


def source(value: Any) -> str:
    """Python source (with NumPy as `np`) of a value, structures included."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {source(part)}" for key, part in value.items()) + "}"
    if isinstance(value, tuple | list):
        inner = ", ".join(source(part) for part in value)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return _array_source(np.asarray(value))


def number(element: Any) -> int | float | bool | str:
    """One element as the Python number whose shortest decimals give it back in its dtype; NaN and infinities as
    Python floats, text as str."""
    kind = np.asarray(element).dtype.kind
    if kind == "b":
        return bool(element)
    if kind in "iu":
        return int(element)
    if kind in "USOT":
        return element.decode() if isinstance(element, bytes) else str(element)
    exact = float(element)
    if not math.isfinite(exact):
        return exact
    typed = np.asarray(element)
    # NumPy prints its own formats with the fewest digits; bfloat16, of another package, with six.
    texts = [str(typed[()])] if kind == "f" else [f"{exact:.{digits}g}" for digits in range(1, 6)]
    for short in map(float, texts):
        if _same(np.asarray(short).astype(typed.dtype), element):
            return short
    return exact


def _same(a: Any, b: Any) -> bool:
    return float(a) == float(b) and math.copysign(1.0, float(a)) == math.copysign(1.0, float(b))


def _json_number(element: Any) -> Any:
    plain = number(element)
    if isinstance(plain, float) and not math.isfinite(plain):
        return "nan" if math.isnan(plain) else ("inf" if plain > 0 else "-inf")
    return plain


def _python_number(element: Any) -> str:
    plain = number(element)
    if isinstance(plain, float) and not math.isfinite(plain):
        return "np.nan" if math.isnan(plain) else ("np.inf" if plain > 0 else "-np.inf")
    return repr(plain)


def _nested(array: Array, convert: Any) -> Any:
    if array.ndim == 0:
        return convert(array[()])
    return [_nested(part, convert) for part in array]


def _list_source(array: Array) -> str:
    if array.size > LIMIT and array.dtype.kind in "fiu" and np.all(np.isfinite(array)):
        short = array.astype(str).astype(np.float64) if array.dtype.kind == "f" else array  # as `number`, all at once
        if bool(np.all(_equal(short.astype(array.dtype), array))):
            return repr(short.tolist())
    if array.ndim == 0:
        return _python_number(array[()])
    return "[" + ", ".join(_list_source(part) for part in array) + "]"


def _equal(a: Array, b: Array) -> Array:
    """Bit for bit as far as a reader cares: NaN equals NaN, 0.0 differs from -0.0."""
    if a.dtype.kind in "fV" and a.dtype.kind != "b":
        x, y = a.astype(np.float64), b.astype(np.float64)
        return ((x == y) & (np.signbit(x) == np.signbit(y))) | (np.isnan(x) & np.isnan(y))
    return np.asarray(a == b)


def _array_source(array: Array) -> str:
    dtype = repr(str(array.dtype)) if array.dtype.kind not in "USOT" else "object"
    dtype = dtype.replace("'", '"')
    if array.size == 0:
        return f"np.zeros({array.shape}, {dtype})"
    if array.size <= LIMIT and array.size <= 8:
        return f"np.array({_list_source(array)}, {dtype})"
    first = array.flat[0]
    if bool(np.all(_equal(array, np.full_like(array, first)))):
        return _constant_source(array.shape, first, dtype)
    if array.size <= LIMIT:
        return f"np.array({_list_source(array)}, {dtype})"
    small, reps = _collapsed(array)
    if small.size <= LIMIT and small.size < array.size:
        return f"np.tile(np.array({_list_source(small)}, {dtype}), {reps})"
    edited = _edited_source(array, dtype)
    if edited:
        return edited
    return f"np.array({_list_source(array)}, {dtype})"


def _constant_source(shape: tuple[int, ...], first: Any, dtype: str) -> str:
    text = _python_number(first)
    if text in ("0.0", "0", "False"):
        return f"np.zeros({shape}, {dtype})"
    if text in ("1.0", "1", "True"):
        return f"np.ones({shape}, {dtype})"
    return f"np.full({shape}, {text}, {dtype})"


def _collapsed(array: Array) -> tuple[Array, tuple[int, ...]]:
    """The array with every axis along which it is constant reduced to 1, and the repetitions that restore it."""
    small, reps = array, list[int]()
    for axis in range(array.ndim):
        head = np.take(small, [0], axis=axis)
        constant = bool(np.all(_equal(small, np.broadcast_to(head, small.shape))))
        reps.append(small.shape[axis] if constant else 1)
        small = head if constant else small
    return small, tuple(reps)


def _edited_source(array: Array, dtype: str) -> str:
    """A base value with a few elements changed, as one expression; "" where too many differ."""
    flat = array.reshape(-1)
    if array.dtype.kind in "fiu" and flat.size - int(np.unique(flat, return_counts=True)[1].max()) > _EDITS:
        return ""
    texts = [_python_number(element) for element in flat]
    base, count = Counter(texts).most_common(1)[0]
    if flat.size - count > _EDITS:
        return ""
    edits = ", ".join(f"{i}: {text}" for i, text in enumerate(texts) if text != base)
    return f"np.array([{{{edits}}}.get(i, {base}) for i in range({flat.size})], {dtype}).reshape({array.shape})"
