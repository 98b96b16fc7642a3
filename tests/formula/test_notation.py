"""LaTeX and SymPy's notation: each is translated into a formula, or refused with what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from lossdoctor.findings import UsageError
from lossdoctor.formula.evaluate import in_floats
from lossdoctor.formula.latex import from_latex
from lossdoctor.formula.notation import read_formula

MSE = "mean((y_true - y_pred)**2, axis=-1)"
HUBER = "where(abs(t - p) <= 1, (t - p)**2/2, abs(t - p) - 1/2)"


def same(text: str, plain: str) -> bool:
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.uniform(0.1, 0.9, (3, 4)), rng.uniform(0.1, 0.9, (3, 4))
    y_pred[0] *= 3.0
    found, wanted = (in_floats(read_formula(one), y_true, y_pred) for one in (text, plain))
    return found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-12, equal_nan=True)


@pytest.mark.parametrize(
    ("latex", "plain"),
    [
        (r"\frac{1}{n}\sum_{i=1}^{n} (y_i - \hat{y}_i)^2", MSE),
        (r"$L = \frac1n \sum_{i=1}^n \left(y_i - \hat y_i\right)^{2}$", MSE),
        (r"\frac{\sum_{i=1}^n (y_i-\hat{y}_i)^2}{n}", MSE),
        (r"\frac{1}{n}\sum_i (y_i - \hat{y}_i)^2", MSE),
        (r"\frac{1}{N} \sum_{i} \max(0, 1 - y_i \hat{y}_i)", "mean(maximum(0, 1 - t*p), axis=-1)"),
        (r"-\sum_{c=1}^{C} y_c \log \hat{y}_c", "-sum(t*log(p), axis=-1)"),
        (r"-y\log\sigma(\hat y)-(1-y)\log(1-\sigma(\hat y))", "-t*log(sigmoid(p)) - (1 - t)*log(1 - sigmoid(p))"),
        (
            r"\begin{cases} \frac12 (y-\hat y)^2 & |y-\hat y|\le 1 \\ |y-\hat y|-\frac12 & \text{else} \end{cases}",
            HUBER,
        ),
        (r"1 - \frac{2\sum_i y_i p_i + 1}{\sum_i y_i + \sum_i p_i + 1}",
         "1 - (2*sum(t*p, axis=-1) + 1)/(sum(t, axis=-1) + sum(p, axis=-1) + 1)"),
        (r"\frac{1}{nm}\sum_{i=1}^{n}\sum_{j=1}^{m} |y_{ij}-\hat{y}_{ij}|",
         "mean(mean(abs(t - p), axis=-1), axis=-1)"),
        (r"\lVert y - \hat{y} \rVert_2^2", "sum((t - p)**2, axis=-1)"),
        (r"\sqrt{\frac{1}{n}\sum_{i=1}^n (y_i-\hat y_i)^2}", f"sqrt({MSE})"),
        (r"\max(0,\, 1 - y \cdot \hat{y})^2", "maximum(0, 1 - t*p)**2"),
        (r"\log\cosh(\hat{y} - y)", "log((exp(p - t) + exp(t - p))/2)"),
        (r"(1-p)^{2} \log p", "(1 - p)**2*log(p)"),
        (r"y_{\text{true}} - y_{pred}", "t - p"),
        (r"\log_2 p", "log(p)/log(2)"),
    ],
)  # fmt: skip
def test_latex(latex: str, plain: str) -> None:
    assert same(latex, plain)


@pytest.mark.parametrize(
    ("latex", "said"),
    [
        (r"\alpha (y - \hat{y})^2", "not `\\alpha`"),
        (r"\frac{1}{2} x^2", "not `x`"),
        (r"-\sum_i y_i \log p_i + (1-y_i)\log(1-p_i)", "parentheses around all that a sum takes"),
        (r"\begin{cases} y \\ p & y > 0 \end{cases}", "a condition after &"),
        (r"\frac{1}{2", "instead of `the end`"),
        (r"\input{secrets}", "not `\\input`"),
    ],
)
def test_latex_that_says_no_formula_is_refused(latex: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        from_latex(latex)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Piecewise(((p - t)**2/2, Abs(p - t) <= 1), (Abs(p - t) - Rational(1, 2), True))", HUBER),
        ("1 - exp(-(y - yhat)**2/8)", "1 - exp(-(t - p)**2/8)"),
        ("Max(0, 1 - y*yhat)", "maximum(0, 1 - t*p)"),
        ("Sum((y_true[i] - y_pred[i])**2, (i, 1, n))", "sum((t - p)**2, axis=-1)"),
        ("Piecewise((t, (p > 0) & (p < Float(0.5))), (p, True))", "where((p > 0)*(p < 0.5), t, p)"),
        ("Pow(Symbol('yhat') - Symbol('y'), 2)", "(p - t)**2"),
    ],
)
def test_the_notation_of_sympy(text: str, plain: str) -> None:
    assert same(text, plain)


def test_an_expression_of_sympy_is_read_by_its_text() -> None:
    made = type("Add", (), {"__module__": "sympy.core.add", "__str__": lambda self: "Abs(p - t) - 1/2"})()
    assert str(read_formula(made)) == "abs(p - t) - 1 / 2"
    with pytest.raises(UsageError, match="an expression of SymPy"):
        read_formula(3.0)


def test_a_piecewise_without_conditions_is_refused() -> None:
    with pytest.raises(UsageError, match="Piecewise"):
        read_formula("Piecewise(t, p)")
