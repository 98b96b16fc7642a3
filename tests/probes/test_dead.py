"""The dead gradient probe: flat and wrong is told from flat and right."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.probes.fakes import (
    BINARY,
    CLASS_LOGIT,
    CLASSES,
    LOGIT,
    MARGIN,
    REAL,
    FakeSubject,
    contract,
    written,
)

from lossdoctor.probes.dead import probe
from lossdoctor.probes.relations import Relation
from lossdoctor.readings import DeadGradient
from lossdoctor.spec import Contract

pytestmark = pytest.mark.real

ONE = contract("float32[B,1] real", "float32[B,1] real")
LOGIT1 = contract("float32[B,1] binary", "float32[B,1] logit")
LABEL = contract("int32[B] label(4)", "float32[B,4] probability")
TRIPLET = contract("float32[B,1] binary", "float32[B,3,6] real")
HEAD = contract("float32[B,2] unit", "float32[B,2] real")
DISTANCE = contract("float32[B,1] binary", "float32[B,1] positive")
TOKENS = contract("int32[B,6] label(5)", "float32[B,6,5] logit")
MASKS = contract("float32[B,8,8,1] binary", "float32[B,8,8,1] unit")
BOXES = contract("float32[B,4] real", "float32[B,4] real")
BAG = contract("float32[B,1] binary", "float32[B,6] unit")

P = "tf.clip_by_value(p, 1e-7, 1 - 1e-7)"
LOG, LOG_REST = f"tf.math.log({P})", f"tf.math.log(1 - {P})"
CROSS_ENTROPY = "-tf.reduce_mean(t * tf.math.log({0}) + (1 - t) * tf.math.log(1 - {0}), -1)"
WIDE = "tf.clip_by_value(p, 0.05, 0.95)"
PROBABILITY_ENDS = "y_pred > 0.95 while y_true = 0, and for y_pred < 0.05 while y_true = 1"
LOGIT_ENDS = "y_pred > 2.5 while y_true = 0, and for y_pred < -2.5 while y_true = 1"
HARD_SIGMOID = "tf.clip_by_value(0.2 * p + 0.5, 0.0, 1.0)"
CLIPPED = "tf.clip_by_value(t - p, -1.0, 1.0)"
SQUARE = "tf.reduce_mean(tf.square(e), -1)"
IOU = """
    low, high = tf.maximum(t[:, :2], p[:, :2]), tf.minimum(t[:, 2:], p[:, 2:])
    both = tf.reduce_prod(tf.nn.relu(high - low), -1)
    areas = [tf.reduce_prod(box[:, 2:] - box[:, :2], -1) for box in (t, p)]
    either = areas[0] + areas[1] - both
"""
HULL = """
    hull = tf.reduce_prod(tf.maximum(t[:, 2:], p[:, 2:]) - tf.minimum(t[:, :2], p[:, :2]), -1)
"""

HEALTHY: list[tuple[str, Contract, str, str]] = [
    ("linear head", HEAD, "", "tf.reduce_mean(tf.square(t - p), -1)"),
    (
        "logarithm of a rate",
        contract("float32[B,1] positive", "float32[B,1] real"),
        "",
        "tf.reduce_mean(tf.exp(tf.clip_by_value(p, -20.0, 20.0)) - t * p, -1)",
    ),
    ("absolute", REAL, "", "tf.reduce_mean(tf.abs(t - p), -1)"),
    ("huber", REAL, "", "tf.reduce_mean(tf.where(tf.abs(t - p) < 1, 0.5 * (t - p) ** 2, tf.abs(t - p) - 0.5), -1)"),
    ("quantile", REAL, "", "tf.reduce_mean(tf.maximum(0.9 * (t - p), -0.1 * (t - p)), -1)"),
    ("insensitive", REAL, "", "tf.reduce_mean(tf.nn.relu(tf.abs(t - p) - 0.5), -1)"),
    ("one-sided", REAL, "", "tf.reduce_mean(tf.square(tf.nn.relu(t - p)), -1)"),
    ("biweight", REAL, "", "tf.reduce_mean(tf.where(tf.abs(t - p) < 5, 1 - (1 - ((t - p) / 5) ** 2) ** 3, 1.0), -1)"),
    ("cross entropy", BINARY, "", CROSS_ENTROPY.format(P)),
    ("of sigmoid", LOGIT, "p = tf.sigmoid(p)", CROSS_ENTROPY.format(P)),
    ("focal", BINARY, "", f"-tf.reduce_mean(t * (1 - p) ** 2 * {LOG} + (1 - t) * p ** 2 * {LOG_REST}, -1)"),
    ("smoothed", BINARY, "t = 0.9 * t + 0.05", CROSS_ENTROPY.format(P)),
    ("hinge", MARGIN, "", "tf.reduce_mean(tf.nn.relu(1 - t * p), -1)"),
    ("categorical", CLASSES, "", f"-tf.reduce_sum(t * tf.math.log({P}), -1)"),
    ("entropy", CLASSES, "", f"tf.reduce_sum((0.1 * p - t) * tf.math.log({P}), -1)"),
    ("sparse", LABEL, "", f"-tf.gather(tf.math.log({P}), t, batch_dims=1)"),
    ("worst class", CLASS_LOGIT, "", "tf.nn.relu(tf.reduce_max(p - 1e4 * t, -1) - tf.reduce_sum(t * p, -1) + 0.5)"),
    (
        "padding",
        TOKENS,
        "m = tf.cast(t > 0, tf.float32)",
        "-tf.reduce_sum(m * tf.gather(tf.nn.log_softmax(p), t, batch_dims=2), -1)",
    ),
    ("hardest two", REAL, "", "tf.reduce_mean(tf.math.top_k(tf.square(t - p), k=2)[0], -1)"),
    (
        "only large errors",
        REAL,
        "k = tf.cast(tf.abs(t - p) > 0.7, tf.float32)",
        "tf.reduce_sum(k * tf.abs(t - p), -1) / (tf.reduce_sum(k, -1) + 1e-6)",
    ),
    (
        "triplet",
        TRIPLET,
        "d = tf.reduce_sum(tf.square(p[:, :1] - p[:, 1:]), -1)",
        "tf.nn.relu(d[:, 0] - d[:, 1] + 0.2)",
    ),
    ("contrastive", DISTANCE, "", "tf.reduce_mean(t * p ** 2 + (1 - t) * tf.nn.relu(1 - p) ** 2, -1)"),
    ("dice", MASKS, "", "1 - (2 * tf.reduce_sum(t * p, [1, 2, 3]) + 1) / (tf.reduce_sum(t + p, [1, 2, 3]) + 1)"),
    ("recall", BINARY, "", "1 - tf.reduce_sum(t * p, -1) / (tf.reduce_sum(t, -1) + 1e-7)"),
    ("generalised IoU", BOXES, IOU + HULL, "1 - both / (either + 1e-7) + (hull - either) / (hull + 1e-7)"),
    ("largest of a bag", BAG, "", "tf.square(t[:, 0] - tf.reduce_max(p, -1))"),
    (
        "stopped weights",
        BINARY,
        "w = tf.stop_gradient((1 - p) ** 2)",
        f"-tf.reduce_mean(w * t * {LOG} + (1 - t) * {LOG_REST}, -1)",
    ),
    ("stopped target", REAL, "", "tf.reduce_mean(tf.square(t - p) + tf.square(tf.stop_gradient(p)), -1)"),
]


def read(folder: Path, one: Contract, body: str, value: str, relation: Relation = "per-sample") -> DeadGradient:
    before = body if body.startswith("\n") else f"\n    {body}\n"
    source = f"import tensorflow as tf\n\n\ndef loss(t, p):{before}    return {value}\n"
    return probe(written(folder, source), one, relation=relation)  # type: ignore[arg-type]


@pytest.mark.parametrize(("one", "body", "value"), [case[1:] for case in HEALTHY], ids=[case[0] for case in HEALTHY])
def test_what_cannot_improve_is_not_dead(one: Contract, body: str, value: str, tmp_path: Path) -> None:
    reading = read(tmp_path, one, body, value)
    assert reading.applicable
    assert reading.draws > 0
    assert reading.pair is None


@pytest.mark.parametrize(
    ("one", "blamed", "body", "value", "region", "share"),
    [
        (ONE, CLIPPED, "e = {}", SQUARE, "|y_true - y_pred| > 1", 0.48),
        (REAL, "tf.minimum(tf.abs(t - p), 1.5)", "e = {}", "tf.reduce_mean(e, -1)", "|y_true - y_pred| > 1.5", 0.29),
        (REAL, "tf.nn.relu(p)", "e = t - {}", SQUARE, "y_pred < 0", 0.25),
        (BINARY, WIDE, "q = {}", CROSS_ENTROPY.format("q"), PROBABILITY_ENDS, 0.07),
        (LOGIT, HARD_SIGMOID, "e = t - {}", SQUARE, LOGIT_ENDS, 0.2),
        (
            CLASSES,
            WIDE,
            "q = {}",
            "-tf.reduce_sum(t * tf.math.log(q), -1)",
            "the probability of the true class < 0.05",
            0.35,
        ),
        (
            MARGIN,
            "tf.minimum(tf.nn.relu(1 - t * p), 1.5)",
            "e = {}",
            "tf.reduce_mean(e, -1)",
            "y_true * y_pred < -0.5",
            0.31,
        ),
    ],
    ids=["clip", "minimum", "relu", "probabilities", "hard sigmoid", "classes", "margin"],
)
def test_flat_and_wrong_is_dead(
    one: Contract, blamed: str, body: str, value: str, region: str, share: float, tmp_path: Path
) -> None:
    reading = read(tmp_path, one, body.format(blamed), value)
    assert reading.region == region
    assert reading.share == pytest.approx(share, abs=0.06)
    assert reading.value > reading.better_value
    assert not reading.everywhere
    assert reading.calls[-1].text == blamed


def test_a_clipped_linear_head_is_dead_outside_the_range_of_the_targets(tmp_path: Path) -> None:
    reading = read(tmp_path, HEAD, "e = t - tf.clip_by_value(p, 0.0, 1.0)", SQUARE)
    assert "y_pred > 1 while y_true = 0" in reading.region
    assert reading.calls[-1].text == "tf.clip_by_value(p, 0.0, 1.0)"


def test_a_reduced_loss_is_read_sample_by_sample(tmp_path: Path) -> None:
    reading = read(tmp_path, ONE, "", f"tf.reduce_mean(tf.square({CLIPPED}))", "mean")
    assert reading.region == "|y_true - y_pred| > 1"


def test_a_sign_is_dead_everywhere(tmp_path: Path) -> None:
    reading = read(tmp_path, REAL, "e = tf.sign(t - p)", "tf.reduce_mean(tf.square(e), -1)")
    assert reading.everywhere
    assert reading.calls[-1].text == "tf.sign(t - p)"


@pytest.mark.parametrize(
    ("one", "blamed", "body", "value", "relation"),
    [
        (LOGIT1, "tf.nn.softmax(p)", "q = {}", "tf.reduce_mean(tf.square(t - q), -1)", "per-sample"),
        (ONE, "p - tf.reduce_mean(p, -1, keepdims=True)", "e = {}", "tf.reduce_mean(t * e, -1)", "per-sample"),
        (ONE, "tf.stack([p - p, p - p])", "e = {}", "tf.reduce_max(t) + tf.reduce_max(e)", "coupled"),
    ],
    ids=["softmax", "centred", "coupled"],
)
def test_what_cancels_is_constant(
    one: Contract, blamed: str, body: str, value: str, relation: Relation, tmp_path: Path
) -> None:
    reading = read(tmp_path, one, body.format(blamed), value, relation)
    assert reading.constant
    assert not reading.spurious
    assert reading.calls[-1].text in blamed


def test_a_constant_with_a_gradient_is_told_apart(tmp_path: Path) -> None:
    value = "tf.nn.softmax_cross_entropy_with_logits(labels=t, logits=p)"
    reading = read(tmp_path, LOGIT1, "", value)
    assert reading.constant
    assert reading.spurious


@pytest.mark.parametrize(
    "value",
    [
        "tf.reduce_mean(tf.nn.relu(tf.abs(t - p) - 30.0), -1)",  # a tolerance that ordinary predictions keep
        "tf.reduce_mean(t * tf.cast(t > 50.0, tf.float32) + tf.nn.relu(p - 90.0), -1)",
        "1.0 - tf.reduce_mean(tf.nn.l2_normalize(t, -1) * tf.nn.l2_normalize(p, -1), -1)",  # of two signs
    ],
)
def test_what_moves_far_out_is_not_constant(value: str, tmp_path: Path) -> None:
    assert not read(tmp_path, ONE, "", value).constant


def test_a_coefficient_that_is_trained_may_begin_at_zero(tmp_path: Path) -> None:
    import tensorflow as tf

    for trainable in (True, False):
        coefficient = tf.Variable(0.0, trainable=trainable)

        def loss(t: tf.Tensor, p: tf.Tensor, by: tf.Variable = coefficient) -> tf.Tensor:
            return tf.reduce_mean(tf.square(t - by * p))

        found = probe(FakeSubject(loss), ONE)
        assert found.constant is not trainable
        assert coefficient.numpy() == 0.0


def test_disjoint_boxes_are_dead_together(tmp_path: Path) -> None:
    reading = read(tmp_path, BOXES, IOU, "1 - both / (either + 1e-7)")
    assert reading.pair is not None
    assert not reading.everywhere
    assert not reading.region  # no single entry decides
    assert reading.calls[-1].text == "tf.nn.relu(high - low)"


def test_a_value_that_moves_without_gradient_is_another_fault(tmp_path: Path) -> None:
    body = "q = tf.where(p > 0.0, p, tf.stop_gradient(p))"
    assert read(tmp_path, REAL, body, "tf.reduce_mean(tf.square(t - q), -1)").pair is None


def test_coupled_losses_are_judged_as_batches(tmp_path: Path) -> None:
    flat = "tf.minimum(tf.square(tf.reduce_mean(p) - tf.reduce_mean(t)), {0})"
    assert read(tmp_path, ONE, "", flat.format("0.05"), "coupled").pair is not None
    assert read(tmp_path, ONE, "", flat.format("1e4"), "coupled").pair is None


def test_random_losses_are_not_judged(tmp_path: Path) -> None:
    reading = read(tmp_path, REAL, "", "tf.reduce_mean(tf.square(t - p + tf.random.normal(tf.shape(p))), -1)")
    assert not reading.applicable


@pytest.mark.parametrize("name", ["categorical_hinge", "kl_divergence", "cosine_similarity", "log_cosh"])
def test_standard_losses_are_alive(name: str) -> None:
    import keras

    one = {"categorical_hinge": CLASS_LOGIT, "kl_divergence": CLASSES}.get(name, REAL)
    assert probe(FakeSubject(getattr(keras.losses, name)), one, relation="per-sample").pair is None  # type: ignore[arg-type]
