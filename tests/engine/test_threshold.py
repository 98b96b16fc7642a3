"""From which size on an overflow shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from lossdoctor.engine.threshold import threshold
from lossdoctor.session import Pair


def pair(*values: float) -> Pair:
    return Pair(np.zeros((1, len(values)), "float32"), np.array([values], "float32"))


def above(limit: float):
    return lambda pairs: [bool(np.max(np.abs(each.y_pred)) > limit) for each in pairs]


@pytest.mark.parametrize(("limit", "shown"), [(9.42, 9.42), (88.72, 88.7), (0.5, 0.5)])
def test_finds_the_limit_to_three_digits(limit: float, shown: float) -> None:
    assert threshold(pair(100.0), above(limit)) == pytest.approx(shown, rel=2e-3)


def test_negative_values_keep_their_sign() -> None:
    assert threshold(pair(-100.0, 0.0), above(9.42)) == pytest.approx(-9.42, rel=2e-3)


def test_says_nothing_where_one_number_does_not_describe_the_input() -> None:
    assert threshold(pair(1.0, 100.0), above(9.42)) is None
    assert threshold(Pair(np.ones((1, 1), "float32"), np.full((1, 1), 100.0, "float32")), above(9.42)) is None


def test_says_nothing_where_size_is_not_the_cause() -> None:
    def odd(pairs: Sequence[Pair]) -> list[bool]:
        return [bool(round(float(each.y_pred[0, 0])) % 2) for each in pairs]

    assert threshold(pair(99.0), odd) is None
    assert threshold(pair(100.0), lambda pairs: [True] * len(pairs)) is None
