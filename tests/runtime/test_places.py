"""Which samples of a data set a batch holds."""

from __future__ import annotations

import numpy as np
import pytest

from lossdoctor.runtime.places import places

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(5000, 2))
LABELS = RNG.integers(0, 10, 5000)
SHUFFLED = RNG.permutation(5000)[:32]


def test_targets_that_differ_are_found_in_any_order_and_type() -> None:
    assert places(REAL[SHUFFLED].astype("float32"), REAL) == tuple(SHUFFLED)
    # Keras gives a column the shape (samples, 1).
    assert places(REAL[SHUFFLED, :1], REAL[:, 0]) == tuple(SHUFFLED)


def test_labels_are_found_in_the_order_of_the_data() -> None:
    assert places(LABELS[4096:4128], LABELS) == tuple(range(4096, 4128))
    assert set(places(LABELS[SHUFFLED], LABELS)) == {-1}


def test_few_targets_in_order_may_be_chance() -> None:
    labels = np.array([0, 1, 1, 0, 1, 0, 0, 0])
    assert places(labels[1:4], labels) == (-1, -1, -1)


def test_one_of_many_that_is_alone_is_known() -> None:
    labels = np.zeros((100, 1))
    labels[40] = np.nan
    assert places(labels[[3, 40, 5]], labels) == (-1, 40, -1)


def test_the_targets_of_one_of_several_outputs() -> None:
    data = {"a": REAL, "b": LABELS[:, None]}
    assert places(REAL[SHUFFLED], data) == tuple(SHUFFLED)
    assert places({"a": REAL[SHUFFLED], "b": LABELS[SHUFFLED, None]}, data) == tuple(SHUFFLED)
    assert set(places(REAL[SHUFFLED], {"a": REAL, "b": REAL[::-1]})) == {-1}  # of which output is not known


@pytest.mark.parametrize("batch", [REAL[:3] + 100.0, np.zeros((3, 7)), LABELS[:3], np.float32(1.0), None])
def test_what_is_not_in_the_data_is_not_known(batch: object) -> None:
    assert set(places(batch, REAL)) <= {-1}
