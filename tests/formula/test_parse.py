"""Reading formulas: what is in the grammar, and what is said of the rest."""

from __future__ import annotations

from fractions import Fraction

import pytest

from lossdoctor.findings import UsageError
from lossdoctor.formula.parse import parse_formula


@pytest.mark.parametrize(
    "text",
    [
        "y_true - y_pred",
        "mean((t - p)**2, axis=-1)",
        "mean((t - p)**2, -1)",
        "sum(t*p, axis=(1, 2), keepdims=True)",
        "max(p, axis=[0, 1]) - min(p)",
        "where(abs(t - p) <= 1, square(t - p)/2, abs(t - p) - 1/2)",
        "where(0 < p < 1, 1, 0) * (t == 1) + (t != 0)",
        "p[:, 0] + p[..., -1] - p[:, None, 1:3:2][0]",
        "p['boxes'] + t[0]",
        "logsumexp(p, axis=-1) - sum(one_hot(t, 10)*log_softmax(p), axis=-1)",
        "softmax(p, axis=1) + sigmoid(p) + softplus(p) + tanh(p) + cos(p) + arccos(t) + erf(p) + lgamma(p)",
        "clip(p, 1e-7, 1 - 1e-7) + maximum(t, 0) + minimum(t, 1) + sign(p) + exp(p) + expm1(p) + log1p(p) + sqrt(p)",
        "-cos(2*pi*p) + e**p",
    ],
)
def test_the_grammar(text: str) -> None:
    formula = parse_formula(text)
    assert str(formula) == text
    assert formula.parts[-1] is formula.root


def test_a_decimal_is_the_decimal_that_was_written() -> None:
    number = parse_formula("0.1").root.number
    assert number is not None and number.value == Fraction(1, 10)


def test_parts_know_their_text_and_column() -> None:
    parts = {part.text: part.column for part in parse_formula("  mean(\n  abs(t), axis=-1)").parts}
    assert parts["abs(t)"] == 11 and parts["t"] == 15


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Received: ''"),
        ("t +", "column"),
        ("reduce_mean(t)", "write mean"),
        ("np.mean(t)", "write mean(…)"),
        ("maen(t)", "did you mean `mean`"),
        ("t - ypred", "did you mean `y_pred`?). Received: `ypred` (column 5)"),
        ("t^2", "a power is written **"),
        ("max(p, 0)", "maximum(a, b)"),
        ("sum(p, axes=1)", "did you mean `axis`"),
        ("sum(p, axis=t)", "an integer"),
        ("where(p > 0, p)", "3 arguments"),
        ("p if t else 1", "where("),
        ("p and t", "where("),
        ("p.shape", "plain name"),
        ("exp", "exp(…)"),
        ("t[p]", "an integer"),
        ("1e999", "usual size"),
        ("'text'", "a number"),
        ("lambda: 1", "functions"),
        ("sum(*p)", "without `*`"),
        ("one_hot(t, p)", "an integer"),
        ("(" * 500 + "p" + ")" * 500, "formula"),
        ("-" * 300 + "p", "nested"),
    ],
)
def test_what_is_refused_and_how(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_formula(text)
    assert said in str(error.value)
    assert str(error.value).startswith("Invalid value for `formula`. Expected")


@pytest.mark.parametrize(
    "text", ["__import__('os').system('true')", "open('x')", "[x for x in (1,)]", "p @ t", "t := 1"]
)
def test_nothing_is_ever_run(text: str) -> None:
    with pytest.raises(UsageError):
        parse_formula(text)
