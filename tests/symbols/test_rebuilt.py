"""A declared formula through the identities of the algebra: still the same function, or left alone."""

from __future__ import annotations

import numpy as np
import pytest

from lossdoctor.formula.evaluate import in_floats
from lossdoctor.formula.expression import Formula
from lossdoctor.formula.parse import parse_formula
from lossdoctor.spec import parse_contract
from lossdoctor.symbols.rebuilt import rebuilt
from lossdoctor.symbols.text import Writer

CONTRACT = parse_contract("float32[B,4] real", "float32[B,4] real")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mean(where(p >= 0, p, 0), axis=-1)", "mean(maximum(y_pred, 0), axis=-1)"),
        ("sum(square(t - p), axis=-1)/4", "mean((y_true - y_pred)**2, axis=-1)"),
        ("maximum(p, 0) + log1p(exp(-abs(p)))", "softplus(y_pred)"),
        ("exp(p)/sum(exp(p), axis=-1, keepdims=True)", "softmax(y_pred, axis=-1)"),
        ("log(sum(exp(p), axis=1))", "logsumexp(y_pred, axis=-1)"),
        ("mean((t < p)*(p < 1)*p)", "mean((y_true < y_pred)*(y_pred < 1)*y_pred)"),
        ("-sum(t*log_softmax(p), axis=-1)", "-sum(y_true*log_softmax(y_pred, axis=-1), axis=-1)"),
    ],
)
def test_what_it_becomes(text: str, expected: str) -> None:
    formula = parse_formula(text)
    found = rebuilt(formula.root, CONTRACT)
    assert found is not None
    assert Writer()(found) == expected
    rng = np.random.default_rng(0)
    t, p = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    same = in_floats(Formula("", found, tuple(found.walk())), t, p)
    np.testing.assert_allclose(same, in_floats(formula, t, p), rtol=1e-12)


@pytest.mark.parametrize("text", ["p[:, 1]*t[:, 0]", "sum(t[:, :1] + p, axis=-1)", "ctc(t, p, 1, 2, 0)", "diagonal(p)"])
def test_what_is_not_followed_is_left_alone(text: str) -> None:
    assert rebuilt(parse_formula(text).root, CONTRACT) is None


def test_structured_inputs_are_left_alone() -> None:
    pair = parse_contract("float32[B,4] real", {"a": "float32[B,4] real"})
    assert rebuilt(parse_formula("mean(t)").root, pair) is None
