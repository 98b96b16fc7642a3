"""The gradient probe: wrong gradient functions are found, and kinks, offsets and noise are not taken for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.probes.fakes import BINARY, CLASSES, MARGIN, POSITIVE, REAL, contract, standard_losses, written

from lossdoctor.probes.gradient import probe
from lossdoctor.readings import GradientCheck
from lossdoctor.spec import Contract

pytestmark = pytest.mark.real

SOFTPLUS = """\
import tensorflow as tf


@tf.custom_gradient
def softplus(x):
    def grad(upstream):
        return {gradient}

    return tf.math.softplus(x), grad


def loss(t, p):
    return tf.reduce_mean(softplus(-t * p), axis=-1)
"""


def read(folder: Path, source: str, one: Contract = REAL) -> GradientCheck:
    return probe(written(folder, source), one)  # type: ignore[arg-type]


def expression(folder: Path, body: str, one: Contract = REAL) -> GradientCheck:
    return read(folder, f"import numpy as np\nimport tensorflow as tf\n\n\ndef loss(t, p):\n    return {body}\n", one)


@pytest.mark.parametrize(
    ("gradient", "factor"),
    [
        ("tf.sigmoid(x)", None),  # the upstream factor is missing
        ("2.0 * upstream * tf.sigmoid(x)", 2.0),
        ("-upstream * tf.sigmoid(x)", -1.0),
        ("upstream * tf.sigmoid(2.0 * x)", None),
    ],
)
def test_wrong_gradient_functions(gradient: str, factor: float | None, tmp_path: Path) -> None:
    reading = read(tmp_path, SOFTPLUS.format(gradient=gradient), MARGIN)
    assert reading.wrong
    assert not reading.consistent
    assert reading.factor == (None if factor is None else pytest.approx(factor, rel=1e-3))
    assert [(span.line, span.text) for span in reading.custom_spans] == [(7, f"return {gradient}")]
    worst = reading.mismatches[0]
    assert abs(worst.tape - worst.difference) > worst.tolerance


@pytest.mark.parametrize("stopped", ["tf.stop_gradient(t) * p", "t * p * tf.stop_gradient(1.0 + p * p)"])
@pytest.mark.parametrize(
    ("gradient", "wrong"), [("upstream * tf.sigmoid(2.0 * x)", True), ("upstream * tf.sigmoid(x)", False)]
)
def test_a_gradient_function_beside_a_stop(stopped: str, gradient: str, wrong: bool, tmp_path: Path) -> None:
    """A stop_gradient excuses what it changes itself, and nothing where y_pred does not go into it."""
    reading = read(tmp_path, SOFTPLUS.format(gradient=gradient).replace("-t * p", f"-{stopped}"), MARGIN)
    assert reading.custom
    assert reading.wrong == wrong


def test_a_missing_factor_behind_a_scalar(tmp_path: Path) -> None:
    source = SOFTPLUS.format(gradient="tf.sigmoid(x)").replace("tf.reduce_mean(softplus(-t * p), axis=-1)", "{}")
    reading = read(tmp_path, source.format("softplus(-tf.reduce_sum(t * p))"), MARGIN)
    assert reading.wrong


def test_a_right_gradient_function(tmp_path: Path) -> None:
    reading = read(tmp_path, SOFTPLUS.format(gradient="upstream * tf.sigmoid(x)"), MARGIN)
    assert reading.consistent
    assert reading.custom
    assert not reading.wrong


def test_a_lambda_as_gradient_function(tmp_path: Path) -> None:
    source = """\
import tensorflow as tf


@tf.custom_gradient
def cube(x):
    return x**3, lambda dy: dy * 2.0 * x**2


def loss(t, p):
    return tf.reduce_mean(tf.abs(cube(t - p)), axis=-1)
"""
    reading = read(tmp_path, source)
    assert reading.wrong
    assert reading.factor == pytest.approx(2 / 3, rel=1e-3)
    assert [(span.line, span.text) for span in reading.custom_spans] == [(6, "dy * 2.0 * x**2")]


@pytest.mark.parametrize(
    ("forward", "gradient", "pass_through", "surrogate"),
    [
        ("x", "-dy", True, False),  # gradient reversal
        ("tf.identity(x)", "tf.clip_by_value(dy, -0.01, 0.01)", True, False),
        ("tf.round(x)", "dy", False, True),  # straight-through
        ("tf.sign(x)", "dy * tf.cast(tf.abs(x) < 1.0, x.dtype)", False, True),
        ("tf.cast(x > 0.0, x.dtype)", "dy * tf.sigmoid(x)", False, True),
    ],
)
def test_gradients_replaced_by_design(
    forward: str, gradient: str, pass_through: bool, surrogate: bool, tmp_path: Path
) -> None:
    source = f"""\
import tensorflow as tf


@tf.custom_gradient
def f(x):
    return {forward}, lambda dy: {gradient}


def loss(t, p):
    return tf.reduce_mean(tf.square(t - f(2.0 * p)), axis=-1)
"""
    reading = read(tmp_path, source)
    assert (reading.pass_through, reading.surrogate) == (pass_through, surrogate)
    assert reading.mismatches
    assert not reading.wrong


def test_stop_gradient_of_the_user(tmp_path: Path) -> None:
    reading = expression(tmp_path, "tf.reduce_mean(tf.stop_gradient(tf.abs(t - p)) * tf.square(t - p), axis=-1)")
    assert reading.mismatches
    assert not reading.wrong
    assert [(span.line, span.text) for span in reading.stop_spans] == [(6, "tf.stop_gradient(tf.abs(t - p))")]


NORM = "tf.sqrt(tf.reduce_sum(tf.square(p), axis=-1, keepdims=True) + 1e-6)"


@pytest.mark.parametrize(
    ("body", "rests"),
    [
        (f"1.0 - tf.reduce_sum(tf.nn.l2_normalize(t, -1) * p / tf.stop_gradient({NORM}), axis=-1)", False),
        ("tf.reduce_mean(tf.stop_gradient(tf.abs(t - p)) * tf.square(t - p), axis=-1)", True),
        ("tf.reduce_mean(tf.square(t - p), axis=-1) / (1.0 + tf.stop_gradient(tf.reduce_mean(p * p, axis=-1)))", True),
        ("tf.reduce_mean(tf.square(t - p), axis=-1) + tf.stop_gradient(tf.reduce_mean(p * p, axis=-1))", None),
    ],
    ids=["normaliser", "weight", "scale", "term"],
)
def test_a_stopped_part_and_the_target(body: str, rests: bool | None, tmp_path: Path) -> None:
    """Whether training would rest at the target; None where the loss itself is not stationary there."""
    unrest = expression(tmp_path, body).unrest
    assert (unrest is None) == (rests is None)
    if unrest is not None:
        assert (unrest < 1e-3) == rests


SMOOTH_ENOUGH: list[tuple[str, str, Contract]] = [
    ("kinks", "tf.reduce_mean(tf.abs(t - p) + tf.nn.relu(p) + tf.clip_by_value(p, -1.0, 1.0), axis=-1)", REAL),
    (
        "branches",
        "tf.reduce_mean(tf.where(tf.abs(t - p) < 1.0, tf.square(t - p), 2.0 * tf.abs(t - p) - 1.0), -1)",
        REAL,
    ),
    ("offset", "tf.reduce_mean(tf.square(t - p), axis=-1) + 1e6", REAL),
    ("float32 inside", "tf.reduce_mean(tf.square(tf.cast(t - p, tf.float32)), axis=-1)", REAL),
    ("large values", "1e12 * tf.reduce_mean(tf.square(t - p), axis=-1)", REAL),
    ("steps", "tf.reduce_mean(tf.square(t - p) + tf.round(p) + tf.floor(3.0 * p), axis=-1)", REAL),
    ("maximum", "tf.reduce_max(tf.abs(t - p), axis=-1)", REAL),
    ("sorted", "tf.reduce_mean(tf.abs(tf.sort(t) - tf.sort(p)), axis=-1)", REAL),
    ("logsumexp", "tf.reduce_logsumexp(t * p, axis=-1)", REAL),
    ("steep", "tf.reduce_mean(tf.exp(tf.square(t - p)), axis=-1)", REAL),
    ("singular", "tf.reduce_mean(tf.sqrt(tf.abs(t - p)), axis=-1)", REAL),
    ("dense kinks", "tf.reduce_mean(tf.abs(tf.math.floormod(1e5 * p, 2.0) - 1.0), axis=-1)", REAL),
    ("scalar", "tf.reduce_sum(tf.square(t - p))", REAL),
    ("ratios", "1 - tf.reduce_sum(t * p, -1) / tf.reduce_sum(t + p, -1)", BINARY),
    ("logarithms", "-tf.reduce_sum(t * tf.math.log(p), axis=-1)", CLASSES),
    ("special functions", "tf.reduce_mean(tf.math.lgamma(p) - tf.math.digamma(t) * p, axis=-1)", POSITIVE),
]


@pytest.mark.parametrize(("body", "one"), [case[1:] for case in SMOOTH_ENOUGH], ids=[case[0] for case in SMOOTH_ENOUGH])
def test_no_false_alarm(body: str, one: Contract, tmp_path: Path) -> None:
    reading = expression(tmp_path, body, one)
    assert reading.applicable
    assert not reading.mismatches


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("tf.reduce_mean(tf.square(t - p) * tf.random.uniform(tf.shape(p), dtype=p.dtype), axis=-1)", "random"),
        ("tf.cast(tf.argmax(p, -1) - tf.argmax(t, -1), tf.float32)", "no gradient"),
        ("tf.square(t - np.asarray(p))", "traced"),
    ],
)
def test_what_cannot_be_compared_says_so(body: str, word: str, tmp_path: Path) -> None:
    reading = expression(tmp_path, body)
    assert not reading.applicable
    assert word in reading.reason
    assert not reading.consistent


def test_losses_for_float32_only(tmp_path: Path) -> None:
    """Constants of a fixed dtype keep the loss from float64; float32 differences still judge."""
    body = "tf.reduce_mean(tf.constant(0.5) * tf.square(tf.cast(t, tf.float32) - p), axis=-1)"
    reading = expression(tmp_path, body)
    assert reading.consistent
    assert reading.dtype == "as given"
    wrong = SOFTPLUS.format(gradient="1.5 * upstream * tf.sigmoid(x)").replace(
        "(-t * p)", "(tf.constant(-1.0) * t * p)"
    )
    reading = read(tmp_path, wrong, MARGIN)
    assert reading.wrong
    assert reading.factor == pytest.approx(1.5, rel=2e-2)


def test_structured_predictions(tmp_path: Path) -> None:
    one = contract("float32[B,3] real", "float32[B,3] real")
    table = Contract(one.y_true, {"mean": one.y_pred, "scale": contract("float32[B]", "float32[B,3] positive").y_pred})
    body = "tf.reduce_mean(tf.square((t - p['mean']) / p['scale']) + tf.math.log(p['scale']), axis=-1)"
    reading = expression(tmp_path, body, table)
    assert reading.consistent


def test_standard_losses_are_clean() -> None:
    consistent = 0
    for name, subject, one in standard_losses():
        reading = probe(subject, one)  # type: ignore[arg-type]
        assert not reading.wrong, name
        # TensorFlow defines CTC for labels without the blank class only, and these draws have it.
        assert not reading.mismatches or name.lower() == "ctc", name
        consistent += reading.consistent
    assert consistent > 50
