"""`ctc` in formulas, against every path written out."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest

from lossdoctor.findings import UsageError
from lossdoctor.formula.evaluate import derivatives, exactly, in_floats
from lossdoctor.formula.parse import parse_formula

SAMPLES = [
    ("ctc(t, p, sum(t != 0, axis=-1), 5, 0)", [[1, 2, 0], [1, 1, 0], [2, 0, 0], [0, 0, 0], [2, 1, 2]], 5, 0),
    ("ctc(t, p, sum(t != 0, axis=-1), 4, 0)", [[1, 1, 0], [1, 2, 2]], 4, 0),
    ("ctc(t, p, 2, 4, -1)", [[0, 0], [1, 0], [0, 1]], 4, 2),
    ("ctc(t, p, 2, 4, 1)", [[0, 2], [2, 2]], 4, 1),
]


def scores(batch: int) -> np.ndarray:
    return np.random.default_rng(batch).normal(size=(batch, 5, 3))


def by_paths(shares: np.ndarray, labels: list[int], blank: int) -> float:
    """Minus the logarithm of the probability of all paths that collapse to the labels; shares of shape (T, C)."""
    total = 0.0
    for path in product(range(shares.shape[1]), repeat=len(shares)):
        if [label for label, _ in groupby(path) if label != blank] == labels:
            total += float(np.prod([shares[row, label] for row, label in enumerate(path)]))
    return -np.log(total)


@pytest.mark.parametrize(("text", "labels", "rows", "blank"), SAMPLES)
def test_it_is_the_sum_over_all_paths(text: str, labels: list[list[int]], rows: int, blank: int) -> None:
    formula, p = parse_formula(text), scores(len(labels))
    shares = np.exp(p) / np.exp(p).sum(axis=-1, keepdims=True)
    chosen = [[label for label in one if "t != 0" not in text or label] for one in labels]
    expected = [by_paths(shares[sample, :rows], one, blank) for sample, one in enumerate(chosen)]
    np.testing.assert_allclose(in_floats(formula, np.array(labels), p), expected, rtol=1e-12)
    np.testing.assert_allclose(exactly(formula, np.array(labels), p), expected, rtol=1e-12)


@pytest.mark.parametrize(("text", "labels"), [(text, labels) for text, labels, _, _ in SAMPLES])
def test_its_derivatives_are_those_of_its_value(text: str, labels: list[list[int]]) -> None:
    formula, t, p = parse_formula(text), np.array(labels), scores(len(labels))
    along = np.eye(p.size).reshape(p.size, *p.shape)
    _, slopes = derivatives(formula, t, p, along)
    for one, slope in zip(along, slopes, strict=True):
        ahead, behind = (in_floats(formula, t, p + way * 1e-6 * one) for way in (1, -1))
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-8)


def test_large_scores_neither_overflow_nor_vanish() -> None:
    formula, t, p = parse_formula("ctc(t, p, 2, 5, 0)"), np.array([[1, 2]]), 1e4 * scores(1)
    floats = in_floats(formula, t, p)
    assert floats > 700.0
    np.testing.assert_allclose(floats, exactly(formula, t, p), rtol=1e-12)


def test_there_is_no_value_without_an_alignment() -> None:
    formula = parse_formula("ctc(t, p, 3, 4, 0)")
    t, p = np.array([[1, 1, 1], [1, 0, 2], [1, 2, 1]]), scores(3)  # five rows wanted; a blank among them; fine
    for found in (in_floats(formula, t, p), exactly(formula, t, p)):
        np.testing.assert_array_equal(np.isnan(found), [True, True, False])
    slopes = derivatives(formula, t, p, np.ones((1, *p.shape)))[1]
    np.testing.assert_array_equal(np.isnan(slopes[0]), [True, True, False])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ctc(t, p, 4, 5, 0)", "lengths from 0 to 3"),
        ("ctc(t, p, 2, 6, 0)", "numbers of rows from 0 to 5"),
        ("ctc(t + 2, p, 2, 5, 0)", "labels from 0 to 2"),
        ("ctc(t + 0.5, p, 2, 5, 0)", "whole numbers"),
        ("ctc(t[0], p, 2, 5, 0)", "shape"),
    ],
)
def test_what_cannot_be_aligned_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        in_floats(parse_formula(text), np.array([[1, 2, 1]]), scores(1))
