"""Tightness: the interval reading of a row gives the row's known intervals, not something wider."""

from __future__ import annotations

import math

import pytest

from lossdoctor.domains import intervals
from lossdoctor.ops import TABLE

CASES = [(row.name, case) for row in TABLE.by_name.values() for case in row.cases]


def interval(text: str) -> tuple[float, float]:
    low, high = text.strip("[]").split(",")
    return float(low), float(high)


def close(found: float, wanted: float, ulps: float) -> bool:
    return found == wanted or abs(found - wanted) <= ulps * 2.0**-23 * max(abs(wanted), 1.0)


@pytest.mark.parametrize(("name", "case"), CASES, ids=lambda part: part if isinstance(part, str) else "")
def test_bounds_are_tight(name: str, case: tuple[str, ...]) -> None:
    *arguments, result = map(interval, case)
    low, high = intervals.bounds(name, *arguments)
    wanted = result
    slack = max(TABLE.by_name[name].ulps, 1.0) * 4
    assert low <= wanted[0] and high >= wanted[1] or close(low, wanted[0], slack) and close(high, wanted[1], slack)
    assert close(low, wanted[0], slack) or math.isinf(wanted[0])
    assert close(high, wanted[1], slack) or math.isinf(wanted[1])
