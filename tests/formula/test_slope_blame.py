"""The term at fault where the gradient is not the declared one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossdoctor.config import load_config
from lossdoctor.engine import check
from lossdoctor.findings import Finding
from lossdoctor.worker.remote import WorkerPool

SPEC = "float32[B,4] real"
DECLARED = "(p - t)/2 + 0.05*sign(p - t)"  # of mean(e**2) + 0.2*mean(|e|)
LOSSES = """\
import tensorflow as tf


def right(y_true, y_pred):
    error = y_pred - y_true
    return tf.reduce_mean(tf.square(error), axis=-1) + 0.2 * tf.reduce_mean(tf.abs(error), axis=-1)


def weight(y_true, y_pred):
    error = y_pred - y_true
    square = tf.reduce_mean(tf.square(error), axis=-1)
    return square + 0.1 * tf.reduce_mean(tf.abs(error), axis=-1)


def reduced(y_true, y_pred):
    error = y_pred - y_true
    square = tf.reduce_mean(tf.square(error), axis=-1)
    size = tf.reduce_sum(tf.abs(error), axis=-1)
    return square + 0.2 * size


def sign(y_true, y_pred):
    error = y_pred - y_true
    square = tf.reduce_mean(tf.square(error), axis=-1)
    return square - 0.2 * tf.reduce_mean(tf.abs(error), axis=-1)


def extra(y_true, y_pred):
    error = y_pred - y_true
    square = tf.reduce_mean(tf.square(error), axis=-1)
    size = 0.2 * tf.reduce_mean(tf.abs(error), axis=-1)
    far = tf.reduce_mean(tf.math.softplus(y_pred), axis=-1)
    return square + size + far


def without(y_true, y_pred):
    error = y_pred - y_true
    return tf.reduce_mean(tf.square(error), axis=-1)


def stopped(y_true, y_pred):
    error = y_pred - y_true
    kept = tf.stop_gradient(error)
    return tf.reduce_mean(error * kept, axis=-1) + 0.2 * tf.reduce_mean(tf.abs(error), axis=-1)
"""
pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "losses.py").write_text(LOSSES, encoding="utf-8")


def found(name: str, pool: WorkerPool) -> tuple[Finding, ...]:
    config = load_config()
    report = check([f"losses.py:{name}"], config=config, y_true=SPEC, y_pred=SPEC, gradient=DECLARED, purpose="verify",
                   pool=pool)  # fmt: skip
    assert not report.errors
    return tuple(one for one in report.findings if one.rule == "LD122")


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("weight", 12, "0.2 instead of 0.1"),
        ("reduced", 18, "a mean"),
        ("sign", 25, "instead of"),
        ("extra", 32, "nothing"),
    ],
)
def test_the_term_at_fault_is_said(name: str, line: int, said: str, pool: WorkerPool) -> None:
    (one,) = found(name, pool)
    assert one.location.line == line
    assert said in one.message
    assert "it is the declared one" in one.message


def test_a_term_that_is_not_there_is_named(pool: WorkerPool) -> None:
    (one,) = found("without", pool)
    assert "it lacks `0.05*sign(p - t)`" in one.message


def test_what_is_stopped_is_to_blame_and_no_term(pool: WorkerPool) -> None:
    (one,) = found("stopped", pool)
    assert one.location.line == 43
    assert "it is the declared one" not in one.message


def test_the_declared_gradient_is_accepted(pool: WorkerPool) -> None:
    assert not found("right", pool)
