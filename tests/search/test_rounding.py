"""Rows that leave a range by rounding occur among the candidates."""

import numpy as np
import pytest

from lossdoctor.search.rounding import rounded_rows
from lossdoctor.session import Pair
from lossdoctor.spec import parse_contract, sample


def parts(true: str, pred: str, batch: int = 16) -> list[tuple[np.ndarray, ...]]:
    contract, rng = parse_contract(true, pred), np.random.default_rng(0)
    drawn = [sample(spec, rng, {"B": batch}, 1e4, style="realistic") for spec in (contract.y_true, contract.y_pred)]
    return list(rounded_rows(contract, Pair(*drawn), rng))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_variance_by_moments_falls_below_zero(dtype: str) -> None:
    rows = [pred for _, pred in parts(f"{dtype}[B,32] unit", f"{dtype}[B,32] unit")]
    variances = [np.mean(row * row, axis=-1) - np.mean(row, axis=-1) ** 2 for row in rows]
    assert min(variance.min() for variance in variances) < -2 * np.finfo(dtype).eps ** 1.5


def test_a_cosine_exceeds_one() -> None:
    best = 0.0
    for true, pred in parts("float32[B,5] real", "float32[B,5] real"):
        one, other = (rows / np.sqrt(np.sum(rows * rows, axis=-1, keepdims=True)) for rows in (true, pred))
        best = max(best, float(np.sum(one * other, axis=-1).max()))
    assert best > 1.0


@pytest.mark.parametrize("true", ["float32[B,10] onehot", "int32[B] label(10)", "int32[B,1] label(10)"])
def test_all_but_the_true_class_sum_to_more_than_one(true: str) -> None:
    found = parts(true, "float32[B,10] probability")
    for y_true, y_pred in found:
        own = y_true.reshape(-1) if "label" in true else np.argmax(y_true, axis=-1)
        assert np.all(y_pred[np.arange(16), own] == 0)
    assert max(y_pred.sum(axis=-1).max() for _, y_pred in found) > 1.0


def test_nothing_of_large_samples_or_without_a_batch() -> None:
    assert parts("float32[B,9,9] real", "float32[B,9,9] real") == []
    assert parts("float32[4] real", "float32[4] real") == []
