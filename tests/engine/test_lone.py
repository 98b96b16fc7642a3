"""What only a batch of one shows is a warning, and by design where samples are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossdoctor.engine import check
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

pytestmark = pytest.mark.real

SOURCE = """\
import tensorflow as tf


def covariance(y_true, y_pred):
    count = tf.cast(tf.shape(y_pred)[0], tf.float32)
    centred = y_pred - tf.reduce_mean(y_pred, axis=0)
    table = tf.matmul(centred, centred, transpose_a=True) / (count - 1.0)
    return tf.reduce_mean(tf.square(y_true - y_pred)) + tf.reduce_mean(tf.square(table))


def variance(y_true, y_pred):
    error = y_true - y_pred
    count = tf.cast(tf.shape(error)[0], tf.float32)
    return tf.reduce_sum(tf.square(error - tf.reduce_mean(error))) / (count - 1.0)


def ratio(y_true, y_pred):
    return tf.reduce_sum(tf.abs(y_true - y_pred)) / tf.reduce_sum(tf.abs(y_true))
"""
SETTINGS = Settings(mends=False)


@pytest.mark.parametrize(
    ("name", "severity", "alone"),
    [("covariance", "info", True), ("variance", "warning", True), ("ratio", "error", False)],
)
def test_division_by_the_others(name: str, severity: str, alone: bool, tmp_path: Path, pool: WorkerPool) -> None:
    path = tmp_path / "losses.py"
    path.write_text(SOURCE)
    real = "float32[B,3] real"
    report = check([f"{path}:{name}"], y_true=real, y_pred=real, settings=SETTINGS, pool=pool)
    [division] = [finding for finding in report.losses[0].findings if finding.rule == "LD302"]
    assert division.severity == severity
    assert ("batch-of-one" in division.when) is alone
