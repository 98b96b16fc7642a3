"""The value of a formula in floats and exactly, and its derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lossdoctor.findings import UsageError
from lossdoctor.formula.evaluate import derivatives, exactly, in_floats, parts_in_floats
from lossdoctor.formula.parse import parse_formula

FORMULAS = (
    "mean((t - p)**2, axis=-1)",
    "mean(where(abs(t - p) <= 1, 0.5*(t - p)**2, abs(t - p) - 1/2), -1)",
    "sum(log(1 + exp(-t*p)))",
    "logsumexp(p, axis=-1) - sum(t*log_softmax(p), axis=-1)",
    "mean(softmax(p, axis=0)*square(t))",
    "max(p, axis=(0, 1)) - min(abs(p), axis=1, keepdims=True)",
    "maximum(t, p) + minimum(t, p)/clip(p, -0.5, 0.5)",
    "p[:, 0] - t[:, -1:]",
    "sum(one_hot(sign(p) + 1, 3)*p[:, :, None])",
    "erf(p) + lgamma(abs(p) + 1) + tanh(p) + cos(p) + arccos(tanh(p)) + sigmoid(p) + softplus(p)",
    "log1p(abs(p)) + expm1(p) + sqrt(abs(p)) + (abs(p) + 1)**t + abs(p)**p + 2**p",
    "mean((p > 0)*p)*pi + e",
)


def inputs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 4)), rng.normal(size=(3, 4))


@pytest.mark.parametrize("text", FORMULAS)
def test_floats_and_balls_agree(text: str) -> None:
    formula, (y_true, y_pred) = parse_formula(text), inputs()
    floats, exact = in_floats(formula, y_true, y_pred), exactly(formula, y_true, y_pred)
    assert floats.shape == exact.shape
    np.testing.assert_allclose(floats, exact, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("text", FORMULAS)
def test_derivatives_are_those_of_the_value(text: str) -> None:
    formula, (y_true, y_pred) = parse_formula(text), inputs()
    along = np.eye(y_pred.size).reshape(y_pred.size, *y_pred.shape)
    value, slopes = derivatives(formula, y_true, y_pred, along)
    assert slopes.shape == (len(along), *value.shape)
    for one, slope in zip(along, slopes, strict=True):
        ahead, behind = (in_floats(formula, y_true, y_pred + way * 1e-6 * one) for way in (1, -1))
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("log(1 + exp(p))", 1e4, 1e4),
        ("log(1 + exp(p))", -1e4, 0.0),
        ("log((exp(p) + exp(-p))/2)", 1e4, 1e4 - math.log(2.0)),
        ("1 - sqrt(1 - p**2)", 1e-12, 5e-25),
        ("(1 - cos(p))/p**2", 1e-9, 0.5),
        ("0.1*3 - 0.3", 0.0, 0.0),
        ("sqrt(p**2) - abs(p)", 0.1, 0.0),
        ("(log(p) - log(2))**2", 2.0, 0.0),
        ("(log(p) - log(2))**3 + 1", 2.0, 1.0),
        ("where(p > 0, p*log(p), 0)", 0.0, 0.0),
    ],
)
def test_exact_means_the_real_function(text: str, at: float, expected: float) -> None:
    found = exactly(parse_formula(text), np.zeros(()), np.asarray(at))
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=1e-300)


@pytest.mark.parametrize(
    ("text", "at"), [("log(p)", 0.0), ("log(p)", -1.0), ("sqrt(p)", -1.0), ("1/p", 0.0), ("p**0.5", -2.0)]
)
def test_what_is_undefined_has_no_value(text: str, at: float) -> None:
    assert np.isnan(exactly(parse_formula(text), np.zeros(()), np.asarray(at)))
    assert not np.isfinite(in_floats(parse_formula(text), np.zeros(()), np.asarray(at)))


def test_a_formula_without_axis_gives_a_number_and_shapes_broadcast_as_in_numpy() -> None:
    y_true, y_pred = np.zeros(3), np.ones((3, 1))
    assert in_floats(parse_formula("mean(t - p)"), y_true, y_pred).shape == ()
    assert in_floats(parse_formula("t - p"), y_true, y_pred).shape == (3, 3)


def test_structured_inputs_are_indexed_by_their_keys() -> None:
    formula = parse_formula("p['scale']*t[1] - p['offset']")
    found = in_floats(formula, (np.zeros(2), np.ones(2)), {"scale": np.full(2, 3.0), "offset": np.ones(2)})
    np.testing.assert_array_equal(found, [2.0, 2.0])


@pytest.mark.parametrize("text", ["sum(p, axis=2)", "p[0, 0, 0]", "t[:2] + p", "p['a']", "sum(p, axis=(1, -1))"])
def test_a_formula_that_does_not_fit_the_shapes_is_refused_with_its_place(text: str) -> None:
    y_true, y_pred = inputs()
    with pytest.raises(UsageError, match=r"fits the shapes.*column"):
        in_floats(parse_formula(text), y_true, y_pred)


def test_every_part_has_a_value() -> None:
    formula, (y_true, y_pred) = parse_formula("mean(where(t < p, t, 2*p))"), inputs()
    values = {part.text: value for part, value in parts_in_floats(formula, y_true, y_pred).items()}
    np.testing.assert_array_equal(values["t < p"], y_true < y_pred)
    np.testing.assert_array_equal(values["2*p"], 2 * y_pred)
