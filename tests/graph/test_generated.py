"""AutoGraph's code: each operation at the expression of the user's from which it comes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tests.graph import losses

from lossdoctor.graph import generated
from lossdoctor.graph.ir import Node
from lossdoctor.spec import parse_contract

pytestmark = pytest.mark.real

SPEC = "float32[4,3] real"


def helper(x: Any, *others: Any, scale: float = 2.0) -> Any:
    return tf.exp(x) * scale + tf.add_n([tf.abs(other) for other in others])


def many(y_true: Any, y_pred: Any) -> Any:
    p = tf.nn.softmax(y_pred, axis=-1) + 1e-7
    q = tf.exp(p) + tf.exp(p)
    a, (b, c) = tf.unstack(y_pred, axis=1)[0], (p[..., -1] / 2, y_true[:, 0])
    options = {"axis": 0}
    more = (p, q)
    d = -tf.reduce_sum(
        y_true * tf.math.log(p),
        **options,
    )
    e = [tf.sqrt(tf.abs(each)) * 2.0 for each in (a, b, c)]
    f = lambda t: t * tf.exp(-t)  # noqa: E731
    if y_pred.shape[-1] > 2 and not len(more) > 5:
        d = d * tf.reduce_max(p) / 2.0
    for k in range(2):
        d = d + f(e[k][0] ** 2)
    size = tf.cast(tf.size(p), "float32") if 0 < len(more) < 3 else tf.ones([])
    total = tf.reduce_mean(helper(p, *more, scale=3.0)) + tf.reduce_mean(d)
    total += tf.reduce_mean(e[0]) / size
    return total + f"{total.dtype}".count("x") + tf.reduce_sum(tf.where(p > 0.5, p, 0.0))


def branching(y_true: Any, y_pred: Any) -> Any:
    total = tf.reduce_sum(y_pred)
    if tf.reduce_mean(y_true) > 0.0 and not tf.reduce_any(y_pred == 0.0):
        total = tf.exp(total) * 2.0 if tf.size(y_pred) > 2 else total
    else:
        total = tf.sqrt(tf.abs(total))
    for i in tf.range(3):
        total += tf.reduce_sum(y_pred[:, 0] ** 2) * tf.cast(i, tf.float32)
    while total > 3.0:
        total = total / 2.0 - tf.exp(-total)
    return total


def records(loss: Any) -> Any:
    from lossdoctor.graph.trace_tf import build

    return build(loss, parse_contract(SPEC, SPEC), lambda path: path in (__file__, losses.__file__)).records


def places(loss: Any) -> list[Any]:
    return [tuple((span.line, span.column, span.text) for span in calls) for calls in records(loss).calls.values()]


@pytest.mark.parametrize("loss", [many, losses.cross_entropy, losses.one_minus, losses.loop])
def test_autograph_changes_no_place(loss: Callable[..., Any]) -> None:
    plain = places(loss)
    assert len({calls[-1] for calls in plain if calls}) >= 3
    assert places(tf.function(loss)) == plain


def test_tests_and_bodies_of_branches_and_loops_have_their_expressions() -> None:
    found = {tuple(span.text for span in calls) for calls in records(tf.function(branching)).calls.values()}
    head = "if tf.reduce_mean(y_true) > 0.0 and not tf.reduce_any(y_pred == 0.0):"
    both = "tf.reduce_mean(y_true) > 0.0 and not tf.reduce_any(y_pred == 0.0)"
    choice = "tf.exp(total) * 2.0 if tf.size(y_pred) > 2 else total"
    assert {
        ("tf.reduce_mean(y_true) > 0.0",),
        (both, "tf.reduce_any(y_pred == 0.0)"),
        (both, "not tf.reduce_any(y_pred == 0.0)"),
        (head, "tf.size(y_pred) > 2"),
        (head, choice, "tf.exp(total)"),
        (head, "tf.sqrt(tf.abs(total))"),
        ("for i in tf.range(3):", "y_pred[:, 0] ** 2"),
        ("while total > 3.0:", "total > 3.0"),
        ("while total > 3.0:", "tf.exp(-total)"),
    } <= found


def test_a_loop_stands_before_what_follows_it() -> None:
    """Though its gradient gives it inputs that are made last."""
    from lossdoctor.graph.frontend_tf import trace

    def loss(y_true: Any, y_pred: Any) -> Any:
        _, total = tf.while_loop(lambda i, _: i < 3, lambda i, t: (i + 1, t * y_pred), [0, y_true])
        return tf.reduce_sum(total) + tf.reduce_sum(tf.exp(y_pred))

    graph = trace(loss, parse_contract(SPEC, SPEC)).traced

    def first(op: str) -> Node:
        return next(graph.where(op, role="forward"))

    assert first("while").id < first("exp").id


def test_what_stands_twice_in_a_statement_is_told_apart_by_its_order(tmp_path: Path) -> None:
    made, source = tmp_path / "made.py", tmp_path / "source.py"
    made.write_text("x = ag__.ld(f)(ag__.ld(a)) + ag__.ld(f)(ag__.ld(a))\n")
    source.write_text("x = f(a) + f(a)\n")
    assert generated.original(str(made), (1, 29, 1, 51), str(source), (1, 1)) == (1, 11, 1, 15)
    assert generated.original(str(made), (1, 4, 1, 26), str(source), (1, 1)) == (1, 4, 1, 8)


@pytest.mark.parametrize(
    "text",
    [
        "x = g(a)\n",  # another expression
        "x = f(a) + f(a) + f(a)\n",  # which of the three?
        "x = (\n",  # does not parse
    ],
)
def test_an_expression_that_is_not_found_has_no_place(tmp_path: Path, text: str) -> None:
    made, source = tmp_path / "made.py", tmp_path / "source.py"
    made.write_text("x = ag__.ld(f)(ag__.ld(a)) + ag__.ld(f)(ag__.ld(a))\n")
    source.write_text(text)
    assert generated.original(str(made), (1, 4, 1, 26), str(source), (1, 1)) is None
