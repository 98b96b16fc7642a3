"""Inferred specs meet the loss: sizes that it asks for, and exceptions that no spec helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossdoctor.engine import check
from lossdoctor.findings import LossReport, Report
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

pytestmark = pytest.mark.real


def examined(tmp_path: Path, code: str, pool: WorkerPool) -> Report:
    file = tmp_path / "losses.py"
    file.write_text(f"import numpy as np\nimport tensorflow as tf\n\n{code}", encoding="utf-8")
    return check([f"{file}:loss"], settings=Settings(mends=False, time_limit=120.0), pool=pool)


def only(tmp_path: Path, code: str, pool: WorkerPool) -> LossReport:
    report = examined(tmp_path, code, pool)
    assert not report.errors, report.errors
    return report.losses[0]


def test_a_size_is_taken_from_the_constants_that_the_prediction_meets(tmp_path: Path, pool: WorkerPool) -> None:
    code = """
WEIGHTS = [1.0, 256.0]

def loss(y_true, y_pred):
    y_pred = tf.clip_by_value(y_pred, 1e-7, 1.0 - 1e-7)
    return -tf.reduce_sum(y_true * tf.math.log(y_pred) * WEIGHTS, axis=-1)
"""
    found = only(tmp_path, code, pool)
    assert (found.y_true, found.y_pred) == ("float32[B,2] onehot", "float32[B,2] probability")
    assert "a size of 2 is taken since `y_true * tf.math.log(y_pred) * WEIGHTS` (line 9)" in found.assumptions[-1]
    assert found.verdict == "healthy"


def test_a_size_is_taken_where_nothing_else_is_known(tmp_path: Path, pool: WorkerPool) -> None:
    code = """
LEVELS = np.array([0.1, 0.5, 0.9], dtype="float32")

def loss(y_true, y_pred):
    gap = y_true - y_pred
    return tf.reduce_mean(tf.maximum(LEVELS * gap, (LEVELS - 1.0) * gap), axis=-1)
"""
    assert only(tmp_path, code, pool).y_pred == "float32[B,3] real"


def test_as_many_classes_as_the_table_of_the_loss_has(tmp_path: Path, pool: WorkerPool) -> None:
    code = """
WEIGHTS = tf.constant([1.0, 2.0, 3.0])

def loss(y_true, y_pred):
    weights = tf.gather(WEIGHTS, tf.cast(y_true, tf.int32))
    return weights * tf.keras.losses.sparse_categorical_crossentropy(y_true, y_pred)
"""
    found = only(tmp_path, code, pool)
    assert found.y_pred == "float32[B,3] probability" and "label(3)" in found.y_true
    assert not [f for f in found.findings if f.rule == "LD491"]


@pytest.mark.parametrize(
    ("expression", "family"),
    [
        ("tf.losses.mean_squared_error(y_true, y_pred)", "keras-contract"),
        ("tf.reduce_mean(tf.square(y_true - y_prde), axis=-1)", "crash"),
    ],
)
def test_what_no_input_helps_is_a_finding(expression: str, family: str, tmp_path: Path, pool: WorkerPool) -> None:
    found = only(tmp_path, f"\ndef loss(y_true, y_pred):\n    return {expression}\n", pool)
    assert [(f.rule, f.family, f.severity, f.location.line) for f in found.findings] == [("LD491", family, "error", 6)]


def test_a_loss_of_named_parts_is_asked_for_its_spec(tmp_path: Path, pool: WorkerPool) -> None:
    code = "\ndef loss(y_true, y_pred):\n    return y_pred['boxes']['corners'] - y_true\n"
    report = examined(tmp_path, code, pool)
    assert not report.losses and "State what it is given" in report.errors[0].message


def test_two_sets_of_labels_side_by_side(tmp_path: Path, pool: WorkerPool) -> None:
    code = """
def loss(y_true, y_pred):
    classes = tf.shape(y_pred)[1]
    hard = tf.keras.losses.binary_crossentropy(y_true[:, :classes], y_pred)
    return hard + tf.keras.losses.binary_crossentropy(y_true[:, classes:], y_pred)
"""
    found = only(tmp_path, code, pool)
    assert (found.y_true, found.y_pred) == ("float32[B,8] binary", "float32[B,4] unit")


def test_labels_of_a_sequence_of_a_length_that_the_loss_states(tmp_path: Path, pool: WorkerPool) -> None:
    code = """
def loss(y_true, y_pred):
    y_true = tf.reshape(y_true, (-1, 8))
    return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")(y_true, y_pred)
"""
    assert only(tmp_path, code, pool).y_pred == "float32[B,8,4] logit"
