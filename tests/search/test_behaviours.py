"""Scripts that change one thing of the input: status 1 for a loss with the fault, 0 for its healthy twin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossdoctor.search.behaviours import BEHAVIOURS
from lossdoctor.search.reproduce import script
from lossdoctor.spec import parse_contract
from lossdoctor.worker.local import LocalSession

SOURCE = """\
import keras
import tensorflow as tf


def mean(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred))


def rows(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def columns(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=0)


def squeezed(y_true, y_pred):
    return tf.reduce_mean(tf.squeeze(tf.square(y_true - y_pred)), axis=-1)


def pinball(y_true, y_pred):
    return tf.reduce_mean(tf.maximum(0.9 * (y_true - y_pred), 0.1 * (y_pred - y_true)), axis=-1)


def numbers(y_true, y_pred):
    return tf.reduce_mean(tf.square(tf.cast(y_true, tf.float32) - y_pred), axis=-1)


def sparse(y_true, y_pred):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y_true[:, 0], tf.int32), y_pred)


def over_pixels(y_true, y_pred):
    return -tf.reduce_sum(y_true * tf.nn.log_softmax(y_pred, axis=1), axis=-1)


def over_classes(y_true, y_pred):
    return -tf.reduce_sum(y_true * tf.nn.log_softmax(y_pred, axis=-1), axis=-1)


def alone(y_true, y_pred):
    return -tf.reduce_sum(y_true * tf.math.log(tf.nn.softmax(y_pred[..., tf.newaxis], axis=-1)[..., 0]), axis=-1)


def padded_mean(y_true, y_pred):
    mask = tf.cast(y_true != 0.0, tf.float32)
    return tf.reduce_mean(tf.square(y_true - y_pred) * mask, axis=-1)


def masked_mean(y_true, y_pred):
    mask = tf.cast(y_true != 0.0, tf.float32)
    return tf.reduce_sum(tf.square(y_true - y_pred) * mask, -1) / tf.maximum(tf.reduce_sum(mask, -1), 1.0)


def hinge(y_true, y_pred):
    return tf.reduce_mean(tf.maximum(0.0, 1.0 - y_true * y_pred), axis=-1)


def signed(y_true, y_pred):
    return tf.reduce_mean(tf.maximum(0.0, 1.0 - (2.0 * y_true - 1.0) * y_pred), axis=-1)


def truncated(y_true, y_pred):
    return tf.reduce_mean(tf.square(tf.cast(tf.cast(y_true, tf.int32), tf.float32) - y_pred), axis=-1)


def diagonal(y_true, y_pred):
    return tf.linalg.diag_part(tf.matmul(y_true, y_pred, transpose_b=True))


def sequences(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2])


class Plain(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return rows(y_true, y_pred)


def build():
    return Plain(reduction="none")


def of_nothing(y_true, y_pred):
    return tf.math.unsorted_segment_max(tf.abs(y_true - y_pred)[:, 0], tf.zeros([tf.shape(y_pred)[0]], tf.int32), 2)


class Unreduced(keras.losses.Loss):
    def __init__(self):
        super().__init__(reduction="none")

    def call(self, y_true, y_pred):
        return rows(y_true, y_pred)


def powered(power=2.0):
    def loss(y_true, y_pred):
        return tf.reduce_mean(tf.abs(y_true - y_pred) ** power, axis=-1)

    return loss


def dice_of_rows(y_true, y_pred):
    both, all_ = tf.reduce_sum(y_true * y_pred, axis=[2, 3]), tf.reduce_sum(y_true + y_pred, axis=[2, 3])
    return 1.0 - tf.reduce_mean((2.0 * both + 1.0) / (all_ + 1.0), axis=-1)


def dice_of_classes(y_true, y_pred):
    both, all_ = tf.reduce_sum(y_true * y_pred, axis=[1, 2]), tf.reduce_sum(y_true + y_pred, axis=[1, 2])
    return 1.0 - tf.reduce_mean((2.0 * both + 1.0) / (all_ + 1.0), axis=-1)


def spectrum_of_channels(y_true, y_pred):
    one, other = (tf.abs(tf.signal.fft2d(tf.cast(x, tf.complex64))) for x in (y_true, y_pred))
    return tf.reduce_mean(tf.abs(one - other), axis=[1, 2, 3])


def spectrum_of_places(y_true, y_pred):
    planes = [tf.transpose(x, (0, 3, 1, 2)) for x in (y_true, y_pred)]
    one, other = (tf.abs(tf.signal.fft2d(tf.cast(x, tf.complex64))) for x in planes)
    return tf.reduce_mean(tf.abs(one - other), axis=[1, 2, 3])


def unpaired(y_true, y_pred):
    same = tf.cast(y_true == tf.transpose(y_true), tf.float32)
    return same * tf.reduce_sum(tf.square(y_pred), axis=-1)


def paired(y_true, y_pred):
    same = tf.cast(y_true[:, None] == y_true[None, :], tf.float32)
    return tf.reduce_mean(same * tf.matmul(y_pred, y_pred, transpose_b=True), axis=1)


def along_height(y_true, y_pred):
    return tf.reduce_sum(keras.losses.categorical_crossentropy(y_true, y_pred, axis=1), axis=[1, 2])


def along_classes(y_true, y_pred):
    return tf.reduce_sum(keras.losses.categorical_crossentropy(y_true, y_pred, axis=-1), axis=[1, 2])


def clipped(y_true, y_pred):
    p = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
    return -tf.reduce_mean(y_true * tf.math.log(p) + (1.0 - y_true) * tf.math.log(1.0 - p), axis=-1)


def logistic(y_true, y_pred):
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y_true, y_pred), axis=-1)


def shifted(y_true, y_pred):
    labels = tf.cast(tf.cast(y_true[:, 0], tf.float32) * 0.9 + 0.03, tf.int32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, y_pred)
"""
REAL = ("float32[B,3] real", "float32[B,3] real")
LABELS = ("int32[B,1] label(3)", "float32[B,3] logit")
PIXELS = ("float32[B,4,3] onehot", "float32[B,4,3] logit")
BINARY = ("float32[B,3] binary", "float32[B,3] real")
MAPS = ("float32[B,4,5,3] onehot", "float32[B,4,5,3] probability")
UNIT = ("float32[B,3] unit", "float32[B,3] unit")
CASES: list[tuple[str, tuple[str, str], str, str, dict[str, Any]]] = [
    # symptom, specs, loss with the fault, healthy twin, arguments
    ("weight-ignored", REAL, "mean", "rows", {"batch": 4}),
    ("weight-ignored", REAL, "columns", "rows", {"batch": 4}),
    ("constant", REAL, "alone", "rows", {"others": (np.ones((2, 3), "float32"),)}),
    ("rank-of-one", REAL, "squeezed", "rows", {}),
    ("order-matters", REAL, "pinball", "rows", {}),
    ("scores-exchanged", LABELS, "numbers", "sparse", {"batch": 4}),
    ("not-shift-invariant", PIXELS, "over_pixels", "over_classes", {}),
    ("label-without-gradient", BINARY, "hinge", "signed", {"label": 0.0, "batch": 4}),
    ("fractions-alike", UNIT, "truncated", "rows", {}),
    (
        "padding-counts",
        ("float32[B,8] real", "float32[B,8] real"),
        "padded_mean",
        "masked_mean",
        {"value": 0.0, "axes": (1, 1)},
    ),
    ("perfect-costs", ("float32[B,3] onehot", "float32[B,3] logit"), "numbers", "over_classes", {"logits": True}),
    ("lowest-number", REAL, "of_nothing", "rows", {}),
    ("grows-squared", REAL, "diagonal", "rows", {}),
    ("vector-through-keras", REAL, "Unreduced", "rows", {}),
    ("mask-not-applied", ("float32[B,4,3] real", "float32[B,4,3] real"), "sequences", "rows", {}),
    ("mask-not-applied", ("float32[B,4,3] real", "float32[B,4,3] real"), "mean", "rows", {}),
    ("factory-called", REAL, "powered", "rows", {"name": ...}),
    ("pixels-exchanged", MAPS, "dice_of_rows", "dice_of_classes", {}),
    ("pixels-exchanged", ("float32[B,4,5,1] binary", "float32[B,4,5,1] unit"), "dice_of_rows", "dice_of_classes", {}),
    ("places-coupled", MAPS, "spectrum_of_channels", "spectrum_of_places", {"axis": 3}),
    ("targets-exchanged", ("int32[B] label(3)", "float32[B,3] real"), "unpaired", "paired", {"batch": 4}),
    ("places-coupled", MAPS, "along_height", "along_classes", {"axis": 1}),
    ("clipped-scores", ("float32[B,3] binary", "float32[B,3] logit"), "clipped", "logistic", {}),
    ("classes-alike", LABELS, "shifted", "sparse", {"first": 0, "second": 1}),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("user") / "behaviours.py"
    path.write_text(SOURCE)
    return path


def test_each_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(BEHAVIOURS)


@pytest.mark.real
@pytest.mark.parametrize(("symptom", "specs", "faulty", "healthy", "arguments"), CASES)
def test_the_fault_and_its_twin(
    symptom: str,
    specs: tuple[str, str],
    faulty: str,
    healthy: str,
    arguments: dict[str, Any],
    session: LocalSession,
    file: Path,
) -> None:
    for name, status in ((faulty, 1), (healthy, 0)):
        given = {key: name if value is ... else value for key, value in arguments.items()}
        replay = session.replay(script(session.load(f"{file}:{name}"), symptom, None, parse_contract(*specs), **given))
        assert replay.status == status, replay.output


@pytest.mark.real
@pytest.mark.parametrize(("make", "status"), [("Plain(reduction='none')", 1), ("Plain(reduction='sum')", 0)])
def test_a_call_counts_while_it_is_written(make: str, status: int, session: LocalSession, file: Path) -> None:
    loaded = session.load(f"{file}:Plain")
    replay = session.replay(script(loaded, "vector-through-keras", None, parse_contract(*REAL), make=make))
    assert replay.status == status, replay.output
