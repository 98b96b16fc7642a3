"""Numbers as loggers write them."""

from __future__ import annotations

import math

from lossdoctor.findings import UsageError

_MISSING = {"", "na", "n/a", "null", "none", "-", "--", "?", "<na>", "missing"}
_NAN = {"nan", "-nan", "+nan", "nan(ind)", "-nan(ind)", "1.#qnan", "1.#ind", "-1.#ind"}
_INF = {"inf", "+inf", "infinity", "+infinity", "1.#inf", "∞", "+∞"}


def number(text: str) -> float | None:
    """The number that a cell holds, None for one that was left out. Raises ValueError for text."""
    plain = text.strip().strip("\"'").lower()
    if plain in _MISSING:
        return None
    if plain in _NAN:
        return math.nan
    if plain in _INF:
        return math.inf
    if plain.startswith("-") and plain[1:] in _INF:
        return -math.inf
    return float(plain)


def whole(value: float, where: str, column: str) -> int:
    """A step as an integer. Raises `UsageError` for a fraction or what is not finite."""
    if not math.isfinite(value) or value != int(value):
        raise UsageError(
            f"Invalid value for `log`. Expected whole numbers in the column {column}. Received: {value:g} in {where}"
        )
    return int(value)
