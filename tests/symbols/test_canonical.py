"""What is the same by algebra, and what must not be called so."""

from __future__ import annotations

import pytest

from lossdoctor.formula.parse import parse_formula
from lossdoctor.symbols.canonical import Canonical

SAME = [
    ("mean((t - p)**2, axis=-1)", "mean(t**2 - 2*t*p + square(p), axis=-1)"),
    ("mean((t - p)**2, axis=-1)", "mean(t*t, axis=1) + mean(p*p, axis=1) - 2*mean(t*p, axis=1)"),
    ("mean(abs(t - p), axis=-1)", "mean(abs(p - t), axis=-1)"),
    ("mean(abs(t - p)**2, axis=-1)", "mean((p - t)**2, axis=-1)"),
    ("-sum(t*log(p) + (1-t)*log(1-p), axis=-1)", "sum((t-1)*log(1-p), axis=-1) - sum(t*log(p), axis=-1)"),
    ("where(t > p, 0.9*(t-p), 0.1*(p-t))", "where(p < t, 9*(t-p)/10, (p-t)*0.1)"),
    ("mean(maximum(0.9*(t-p), -0.1*(t-p)), axis=-1)", "-mean(minimum(0.1*(t-p), 0.9*(p-t)), axis=-1)"),
    ("1 - (2*sum(t*p) + 1)/(sum(t) + sum(p) + 1)", "1 - (1 + 2*sum(p*t))/(1 + sum(t + p))"),
    ("sqrt(t*t + p*p)", "(p**2 + t**2)**0.5"),
    ("mean(1 - cos(t - p), axis=-1)", "1 - mean(cos(p - t), axis=-1)"),
    ("mean(log(1 + exp(p)) - t*p, axis=-1)", "mean(softplus(-p) + (1 - t)*p, axis=-1)"),
    ("-t*log(sigmoid(p)) - (1 - t)*log(1 - sigmoid(p))", "softplus(p) - t*p"),
    ("log1p(exp(-p))", "softplus(p) - p"),
    ("sigmoid(t - p)", "1 - sigmoid(p - t)"),
    ("expm1(p)**2", "exp(p)**2 - 2*exp(p) + 1"),
    ("log1p(t) - log(1 + p)", "-log(p + 1) + log(t + 1)"),
    ("-sum(t*log_softmax(p), axis=-1)", "sum(t*(logsumexp(p, axis=-1, keepdims=True) - p), axis=-1)"),
    ("clip(p, 0, 1)", "minimum(1, maximum(0, p))"),
]
OTHER = [
    ("mean((t - p)**2, axis=-1)", "mean((t + p)**2, axis=-1)"),
    ("mean((t - p)**2, axis=-1)", "sum((t - p)**2, axis=-1)"),
    ("mean((t - p)**2, axis=-1)", "mean((t - p)**2, axis=0)"),
    ("mean((t - p)**2, axis=-1)", "mean((t - p)**2, axis=-1, keepdims=True)"),
    ("mean(tanh(t - p))", "mean(tanh(p - t))"),
    ("sum(t + 1, axis=-1)", "sum(t, axis=-1) + 1"),
    ("where(t > p, t, p)", "where(t < p, t, p)"),
    ("where(t > p, t, p)", "where(t >= p, t, p)"),
    ("t*t/t", "t"),
    ("abs(t)*abs(p)", "t*p"),
    ("t**0.5", "t"),
    ("log(1 + 2*exp(p))", "softplus(p)"),
    ("log(2*sigmoid(p))", "-softplus(-p)"),
    ("softplus(-p)", "softplus(p) + p"),
    ("log_softmax(p, axis=0)", "log_softmax(p)"),
    ("clip(p, 0, 1)", "maximum(1, minimum(0, p))"),
    ("log(exp(p))", "softplus(p)"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same(one: str, other: str) -> None:
    canonical = Canonical(rank=2)
    assert canonical.same(parse_formula(one).root, parse_formula(other).root)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_not_the_same(one: str, other: str) -> None:
    canonical = Canonical(rank=2)
    assert not canonical.same(parse_formula(one).root, parse_formula(other).root)


def test_sums_stay_whole_where_shapes_differ() -> None:
    """sum(t + p) of a column and a matrix counts the column once for each column of the matrix."""
    one, other = (parse_formula(text).root for text in ("sum(t + p, axis=-1)", "sum(t, axis=-1) + sum(p, axis=-1)"))
    assert Canonical(rank=2).same(one, other)
    assert not Canonical().same(one, other)
    sliced = parse_formula("sum(t[:, :1] + p, axis=-1)").root
    apart = parse_formula("sum(t[:, :1], axis=-1) + sum(p, axis=-1)").root
    assert not Canonical(rank=2).same(sliced, apart)


def test_what_grows_too_large_is_left_open() -> None:
    text = "(t + p + t*p + exp(t) + exp(p) + log(t) + log(p) + cos(t))**8"
    root = parse_formula(text).root
    assert not Canonical(rank=2).same(root, root)
