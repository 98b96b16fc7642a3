"""Witness values as text: inputs as literals that can be pasted, results rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast


def literal(value: object) -> str:
    """An input as Python writes it; a NumPy expression as it is; NaN and infinities without quotes."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        table = cast("Mapping[object, object]", value)
        return "{" + ", ".join(f"{key!r}: {literal(item)}" for key, item in table.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(literal(item) for item in cast("Sequence[object]", value)) + "]"
    return repr(value)


def rounded(value: object) -> str:
    """A result with up to six digits; an array of one element as that element."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        table = cast("Mapping[object, object]", value)
        return "{" + ", ".join(f"{key!r}: {rounded(item)}" for key, item in table.items()) + "}"
    if isinstance(value, Sequence):
        items = cast("Sequence[object]", value)
        if len(items) == 1:
            return rounded(items[0])
        return "[" + ", ".join(rounded(item) for item in items) + "]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(value)
