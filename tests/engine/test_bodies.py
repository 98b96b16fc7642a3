"""Findings inside of loops and branches: at the line of the body, in a decorated loss as in one that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

import lossdoctor
from lossdoctor.findings import UsageError
from lossdoctor.session import SessionError
from lossdoctor.worker.local import LocalSession

pytestmark = pytest.mark.real

SPEC = "float32[B,3] real"


@tf.function  # type: ignore[untyped-decorator]
def decorated(y_true: Any, y_pred: Any) -> Any:
    p = tf.nn.softmax(y_pred)
    if tf.reduce_mean(y_true) > 0.0:
        each = -tf.reduce_sum(y_true * tf.math.log(p), -1) + tf.reduce_sum(p, -1)
    else:
        each = -tf.reduce_sum(y_true * p, -1)
    return each


def branching(y_true: Any, y_pred: Any) -> Any:
    p = tf.nn.softmax(y_pred)

    def then() -> Any:
        return -tf.reduce_sum(y_true * tf.math.log(p), -1)

    return tf.cond(tf.reduce_mean(y_true) > 0.0, then, lambda: -tf.reduce_sum(y_true * p, -1))


def looping(y_true: Any, y_pred: Any) -> Any:
    def body(i: Any, total: Any) -> Any:
        distance = tf.sqrt(tf.reduce_sum(tf.square(y_pred - y_true), -1))
        return i + 1, total + distance

    _, total = tf.while_loop(lambda i, _: i < 3, body, [0, tf.zeros_like(y_pred[:, 0])], maximum_iterations=3)
    return total


def guarded(y_true: Any, y_pred: Any) -> Any:
    p = tf.nn.softmax(y_pred)

    def then() -> Any:
        return -tf.reduce_sum(y_true * tf.math.log(p + 1e-7), -1)

    return tf.cond(tf.reduce_mean(y_true) > 0.0, then, lambda: -tf.reduce_sum(y_true * p, -1))


@pytest.mark.parametrize(
    ("loss", "family", "text"),
    [
        (decorated, "nonfinite-value", "tf.math.log(p)"),
        (branching, "nonfinite-value", "tf.math.log(p)"),
        (looping, "nonfinite-gradient", "tf.sqrt(tf.reduce_sum(tf.square(y_pred - y_true), -1))"),
    ],
)
def test_a_finding_names_the_line_of_the_body(loss: Callable[..., Any], family: str, text: str) -> None:
    report = lossdoctor.check(loss, y_true=SPEC, y_pred=SPEC)
    finding = next(each for each in report.losses[0].findings if each.family == family)
    where = finding.location
    with open(where.path) as file:
        line = file.read().splitlines()[where.line - 1]
    assert line[where.column - 1 : where.end_column - 1] == text
    assert "in a body of line" in finding.message
    assert finding.severity == "error"
    assert not [gap for gap in report.losses[0].gaps if gap.limits == family.replace("nonfinite", "finite")]


def test_a_body_that_is_guarded_is_not_accused() -> None:
    report = lossdoctor.check(guarded, y_true=SPEC, y_pred=SPEC)
    assert not [finding for finding in report.losses[0].findings if finding.family.startswith("nonfinite")]


@pytest.mark.parametrize(
    "problem", [SessionError("no answer"), UsageError("it raises"), tf.errors.OpError(None, None, "", 3)]
)
def test_a_finding_stands_though_its_body_cannot_be_looked_into(
    monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    ask = LocalSession.probe

    def probe(self: LocalSession, name: str, *given: Any, **named: Any) -> Any:
        if name == "lines":
            raise problem
        return ask(self, name, *given, **named)

    monkeypatch.setattr(LocalSession, "probe", probe)
    report = lossdoctor.check(branching, y_true=SPEC, y_pred=SPEC)
    finding = next(each for each in report.losses[0].findings if each.family == "nonfinite-value")
    assert "in a body of line" not in finding.message
