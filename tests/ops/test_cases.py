"""Tightness: the interval reading of a row gives the row's known intervals, not something wider."""

from __future__ import annotations

import pytest

from lossdoctor.domains import intervals
from lossdoctor.ops import TABLE

CASES = [(row.name, case) for row in TABLE.by_name.values() for case in row.cases]
# The intervals of these are right and wide: no rule, or one for bounded functions only.
WIDE = ("sin", "cos", "tan", "atan2", "igamma", "igammac", "betainc", "bessel_i0", "bessel_i1", "bessel_i0e",
        "bessel_i1e", "ndtri")  # fmt: skip
# Absolute errors near their zeros.
NEAR = {"erfc": 1e-4, "lgamma": 1e-4, "digamma": 1e-4}


def interval(text: str) -> tuple[float, float]:
    low, high = text.strip("[]").split(",")
    return float(low), float(high)


@pytest.mark.parametrize(("name", "case"), CASES, ids=lambda part: part if isinstance(part, str) else "".join(part))
def test_bounds_are_tight(name: str, case: tuple[str, ...]) -> None:
    *arguments, (low, high) = map(interval, case)
    found_low, found_high = intervals.bounds(name, *arguments)
    if name in WIDE:
        assert found_low <= low and high <= found_high
        return
    slack = NEAR.get(name, 4 * max(TABLE.by_name[name].ulps, 4.0) * 2.0**-23)
    for found, wanted in ((found_low, low), (found_high, high)):
        assert found == wanted or abs(found - wanted) <= slack * max(abs(wanted), 1.0)
