"""Witness values as text: inputs as literals that can be pasted, results rounded; many equal numbers as one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

_MANY = 8  # equal elements that are said once


def literal(value: object) -> str:
    """An input as Python writes it; a NumPy expression as it is; NaN and infinities without quotes."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        table = cast("Mapping[object, object]", value)
        return "{" + ", ".join(f"{key!r}: {literal(item)}" for key, item in table.items()) + "}"
    if isinstance(value, Sequence):
        same = _uniform(cast("Sequence[object]", value))
        if same is not None:
            return f"np.full({same[0]}, {literal(same[1])})"
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
        same = _uniform(items)
        if same is not None:
            return f"{rounded(same[1])} in all {math.prod(same[0])} elements"
        return "[" + ", ".join(rounded(item) for item in items) + "]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(value)


def _uniform(value: Sequence[object]) -> tuple[tuple[int, ...], object] | None:
    """Shape and element of a rectangular array of more than a few equal numbers; else None."""
    shape: list[int] = []
    items: list[object] = [value]
    while items and all(isinstance(item, Sequence) and not isinstance(item, str) for item in items):
        rows = cast("list[Sequence[object]]", items)
        sizes = {len(row) for row in rows}
        if len(sizes) > 1:
            return None
        shape.append(sizes.pop())
        items = [item for row in rows for item in row]
    if len(items) <= _MANY or isinstance(items[0], Mapping) or any(repr(item) != repr(items[0]) for item in items):
        return None
    return tuple(shape), items[0]
