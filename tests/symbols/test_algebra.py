"""Identities: what an expression becomes, and that it stays the same function."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from lossdoctor.formula.evaluate import exactly
from lossdoctor.formula.expression import Expression, Formula
from lossdoctor.formula.parse import parse_formula
from lossdoctor.symbols.algebra import Algebra, broadcast
from lossdoctor.symbols.lower import Outside, lower, sizes_in
from lossdoctor.symbols.text import Writer

Build = Callable[[Algebra, Expression, Expression], Expression]


def inputs(algebra: Algebra) -> tuple[Expression, Expression]:
    """y_true and y_pred of shape (B, 3)."""
    t, p = (algebra.raw("input", (), ("B", 3), role=role) for role in ("y_true", "y_pred"))
    return t, p


def written(build: Build) -> str:
    algebra = Algebra()
    return Writer()(lower(algebra, build(algebra, *inputs(algebra))))


def stable(a: Algebra, t: Expression, p: Expression) -> Expression:
    """max(p, 0) - p t + log1p(exp(-|p|)), as TensorFlow writes binary cross-entropy."""
    zero = a.number(0)
    above = a.elementwise("greater_equal", p, zero)
    first = a.elementwise("subtract", a.elementwise("where", above, p, zero), a.elementwise("multiply", p, t))
    small = a.elementwise("where", above, a.elementwise("negative", p), p)
    return a.elementwise("add", first, a.elementwise("log1p", a.elementwise("exp", small)))


def shifted(a: Algebra, t: Expression, p: Expression) -> Expression:
    top = a.fold("max", p, (-1,), True)
    powers = a.elementwise("exp", a.elementwise("subtract", p, top))
    total = a.elementwise("log", a.fold("sum", powers, (-1,), True))
    return a.elementwise("add", total, top)


def shares(a: Algebra, t: Expression, p: Expression) -> Expression:
    powers = a.elementwise("exp", a.elementwise("subtract", p, a.fold("max", p, (-1,), True)))
    return a.elementwise("log", a.elementwise("divide", powers, a.fold("sum", powers, (-1,), True)))


def flattened(a: Algebra, t: Expression, p: Expression) -> Expression:
    left, right = (a.raw("reshape", (x,), ("3*B",)) for x in (t, p))
    return a.fold("mean", a.elementwise("square", a.elementwise("subtract", left, right)), None)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (stable, "softplus(y_pred) - y_pred*y_true"),
        (shifted, "logsumexp(y_pred, axis=-1, keepdims=True)"),
        (shares, "log_softmax(y_pred, axis=-1)"),
        (flattened, "mean((y_true - y_pred)**2)"),
        (lambda a, t, p: a.elementwise("minimum", a.elementwise("maximum", p, a.number(0.1)), a.number(0.9)),
         "clip(y_pred, 0.1, 0.9)"),
        (lambda a, t, p: a.elementwise("minimum", a.elementwise("maximum", p, a.number(0.9)), a.number(0.1)),
         "minimum(maximum(y_pred, 0.9), 0.1)"),
        (lambda a, t, p: a.elementwise("divide", a.fold("sum", p, (-1,)), a.number(3)), "mean(y_pred, axis=-1)"),
        (lambda a, t, p: a.elementwise("divide", a.fold("sum", p, (-1,)), a.number(4)), "sum(y_pred, axis=-1)/4"),
        (lambda a, t, p: a.elementwise("subtract", t, a.elementwise("subtract", t, p)), "y_true - (y_true - y_pred)"),
        (lambda a, t, p: a.elementwise("divide", t, a.elementwise("multiply", t, p)), "y_true/(y_true*y_pred)"),
        (lambda a, t, p: a.elementwise("power", a.elementwise("negative", p), a.number(3)), "(-y_pred)**3"),
        (lambda a, t, p: a.elementwise("sqrt", a.elementwise("square", p)), "abs(y_pred)"),
        (lambda a, t, p: a.elementwise("multiply", t, a.elementwise("divide", a.number(1), p)), "y_true/y_pred"),
        (lambda a, t, p: a.elementwise("not", a.elementwise("less", t, p)), "y_true >= y_pred"),
    ],
)  # fmt: skip
def test_what_an_expression_becomes(build: Build, expected: str) -> None:
    text = written(build)
    assert text == expected
    parse_formula(text)


@pytest.mark.parametrize("build", [stable, shifted, shares])
def test_a_composite_is_the_function_of_its_parts(build: Build) -> None:
    """The parts are evaluated as they were built, without any identity."""

    class Plain(Algebra):
        def elementwise(self, op: str, *args: Expression) -> Expression:
            return self.raw(op, args)

    rng = np.random.default_rng(0)
    t, p = rng.random((4, 3)), 5 * rng.normal(size=(4, 3))
    results: list[np.ndarray] = []
    for kind in (Algebra, Plain):
        algebra = kind()
        root = lower(algebra, build(algebra, *inputs(algebra)))
        results.append(exactly(Formula("", root, tuple(root.walk())), t, p))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-14)


def test_equal_parts_are_one_object() -> None:
    a = Algebra()
    t, p = inputs(a)
    assert a.elementwise("subtract", t, p) is a.elementwise("subtract", t, p)
    assert a.elementwise("subtract", t, p) is not a.elementwise("subtract", p, t)


def test_a_sum_of_what_is_smaller_than_in_the_graph_counts_all_of_it() -> None:
    a = Algebra()
    _, p = inputs(a)
    assert Writer()(a.fold("sum", a.number(2), (-1,), shape=("B", 3))) == "6"
    row = a.fold("sum", p, (-1,), keepdims=True)
    assert a.fold("mean", row, (-1,), keepdims=True, shape=("B", 3)) is row
    assert Writer()(a.fold("sum", row, (-1,), keepdims=True, shape=("B", 3))) == "3*sum(y_pred, axis=-1, keepdims=True)"


def test_a_size_is_a_sum_of_ones() -> None:
    a = Algebra()
    t, p = inputs(a)
    made = a.elementwise("divide", a.fold("sum", p, None), a.raw("size", (), (), text="B"))
    root = lower(a, made, sizes_in(a, [t, p]))
    value = exactly(Formula("", root, tuple(root.walk())), np.zeros((5, 3)), np.ones((5, 3)))
    assert value == 3.0


def test_products_of_matrices_and_the_diagonal() -> None:
    a = Algebra()
    t, p = inputs(a)
    turned = a.raw("transpose", (p,), (3, "B"))
    product = a.raw("matmul", (t, turned), ("B", "B"))
    here = a.raw("diagonal", (), ("B", "B"), text="B")
    root = lower(a, a.elementwise("where", here, product, a.number(0)), sizes_in(a, [t, p]))
    rng = np.random.default_rng(1)
    t_values, p_values = rng.normal(size=(2, 4, 3))
    expected = np.diag(np.diag(t_values @ p_values.T))
    again = parse_formula(Writer()(root))
    np.testing.assert_allclose(exactly(again, t_values, p_values), expected, rtol=1e-14)


def test_what_the_grammar_lacks_is_named() -> None:
    a = Algebra()
    _, p = inputs(a)
    with pytest.raises(Outside) as caught:
        lower(a, a.raw("call", (p,), text="sort"))
    assert caught.value.names == ("sort",)
    with pytest.raises(Outside):
        lower(a, a.number(-math.inf))


def test_shapes_broadcast_as_in_numpy() -> None:
    assert broadcast(("B", 1), (3,)) == ("B", 3)
    assert broadcast((), ("B",)) == ("B",)
    assert broadcast(("B",), (4,)) == ("?",)


def test_people_read_that_a_number_is_missing() -> None:
    a = Algebra()
    t, p = inputs(a)
    missing = a.elementwise("not_equal", t, t)
    made = a.elementwise("where", missing, a.number(0), p)
    assert Writer(pretty=True)(made) == "where(y_true is NaN, 0, y_pred)"
    assert Writer()(made) == "where(y_true != y_true, 0, y_pred)"
