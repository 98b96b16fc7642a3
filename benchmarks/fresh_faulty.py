"""Faulty trainings of `fresh_runs.py`, with what is right to say of each: the mistakes that people ask about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from benchmarks import fresh_tasks as t
from benchmarks.fresh_healthy import equation, held
from benchmarks.fresh_makers import Maker, fitted, memorised, planned
from benchmarks.fresh_numbers import numbers, still
from benchmarks.keras_tasks import autoencoder, classes, mlp, mse
from benchmarks.keras_training import Array, Fault, Plan, train
from benchmarks.run import Run

_O = keras.optimizers
_SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

_METRIC = "no-learning"  # the kind of LD712: what is measured is not learned


def _sorted_digits(rng: np.random.Generator) -> tuple[Array, Array]:
    """Blocks of ten batches of one class each, again and again."""
    x, y = t.digits(rng, 3000)
    two = [x[y == k][:160] for k in (2, 7)]
    return np.concatenate(two), np.repeat([2, 7], [len(part) for part in two]).astype("int32")


def _shrinking_task(y: Any, p: Any, knob: Any) -> dict[str, Any]:
    """One task in metres, one in millimetres."""
    return {
        "price": tf.reduce_mean(tf.square(y - p[:, :1])),
        "area": 1e6 * tf.reduce_mean(tf.square(y[::-1] - p[:, 1:])),
    }


def _activity(y: Any, p: Any, knob: Any) -> dict[str, Any]:
    return {"fit": tf.reduce_mean(tf.abs(y - p)), "activity": 1e-3 * knob * tf.reduce_mean(tf.abs(p))}


def others() -> dict[str, Maker]:
    coded = Plan(
        mlp(48, out=72),
        t.flat_digits(np.random.default_rng(0)),
        autoencoder,
        rate=0.003,
        steps=400,
    )
    return {
        "sorted by class": planned(
            "oscillation",
            lambda r: (Plan(t.picture(), _sorted_digits(r), classes, "sgd", 0.05, 16, 400, ordered=True), Fault()),
        ),
        "rate beyond the edge, full batch": planned(
            "divergence",
            lambda r: (
                Plan(mlp(24, activation="tanh"), t.split(t.houses(r), 128)[0], mse, "sgd", 0.8, 128, 300),
                Fault(),
            ),
            "non-finite",
            "exploding",
        ),
        "momentum of 0.99, survival": planned(
            "oscillation",
            lambda r: (Plan(mlp(), t.patients(r), t.cox, "sgd", 0.1, 400, 300, momentum=0.99), Fault()),
        ),
        "sequences by heart, epochs": memorised(
            fitted(
                "overfitting",
                lambda r: t.Fit(
                    t.reader("GRU", units=24),
                    loss=_SPARSE,
                    optimizer=lambda: _O.Adam(0.01),
                    epochs=60,
                    batch=16,
                    metrics=("accuracy",),
                    **held(t.waves(r, 240, noise=1.3), 60),
                ),
                _METRIC,
            )
        ),
        "pictures by heart, one in five labels wrong, epochs": memorised(
            fitted(
                "overfitting",
                lambda r: t.Fit(
                    t.picture(),
                    loss=_SPARSE,
                    optimizer=lambda: _O.AdamW(3e-3),
                    epochs=50,
                    metrics=("accuracy",),
                    **held(t.digits(r, 700, 0.6, share=0.2), 300),
                ),
                _METRIC,
            )
        ),
        "patients by heart": memorised(
            planned(
                "overfitting",
                lambda r: (
                    Plan(
                        mlp(32),
                        (d := t.split(t.patients(r, 300, 30), 90))[0],
                        t.cox,
                        "adam",
                        3e-3,
                        90,
                        250,
                        held_out=d[1],
                        validate=1,
                    ),
                    Fault(),
                ),
            )
        ),
        "prices by heart, epochs": memorised(
            fitted(
                "overfitting",
                lambda r: t.Fit(
                    mlp(128, 64),
                    loss="mae",
                    optimizer=lambda: _O.RMSprop(2e-3),
                    epochs=100,
                    batch=8,
                    metrics=("mse",),
                    **held(t.houses(r, 400, 1.0), 80),
                ),
            )
        ),
        "equation drowns its boundary": lambda name, seed: train(
            name,
            "term-imbalance",
            equation(t.Equation(3e4), np.random.default_rng(seed)),
            seed,
            Fault(),
            ("no-learning", "stall"),
        ),
        "prior turned up for ever": planned(
            "term-imbalance",
            lambda r: (
                replace(coded, data=t.flat_digits(r), knob=0.01, turn=lambda s: 10 ** (5 * s - 2)),
                Fault(160),
            ),
            "divergence",
        ),
        "millimetres beside metres": planned(
            "term-imbalance",
            lambda r: (Plan(mlp(24, out=2), t.houses(r), _shrinking_task, "sgd", 1e-8, 32, 400), Fault()),
            "no-learning",
        ),
        "penalty of activity by a slip of a thousand": planned(
            "term-imbalance",
            lambda r: (Plan(mlp(24), t.houses(r), _activity, "adam", 3e-3, 32, 450), Fault(200, None, {"knob": 2e4})),
            "divergence",
            "spike",
        ),
    }


def _flipped(y: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(1 - y, p))


def _skewed(rng: np.random.Generator) -> tuple[Array, Array]:
    """Nearly always about zero; one in twenty is far off, and nothing tells which."""
    x = rng.normal(size=(960, 12))
    y = np.where(rng.random((960, 1)) < 0.05, 40.0 + rng.normal(size=(960, 1)), 0.1 * rng.normal(size=(960, 1)))
    return x.astype("float32"), y.astype("float32")


def _f1() -> Any:
    return keras.metrics.F1Score(average="micro", threshold=0.5, name="f1_score")


def metrics() -> dict[str, Maker]:
    return {
        "rare class given up": fitted(
            _METRIC,
            lambda r: t.Fit(
                mlp(8, last="sigmoid"),
                t.rare(r),
                "binary_crossentropy",
                lambda: _O.SGD(0.0005),
                60,
                metrics=(keras.metrics.Recall(name="recall"), _f1()),
            ),
        ),
        "labels the wrong way round": fitted(
            _METRIC,
            lambda r: t.Fit(
                mlp(16),
                t.rare(r, 960, 0.5, 0.5),
                _flipped,
                lambda: _O.Adam(3e-4),
                50,
                metrics=(keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0),),
            ),
        ),
        "squares of what is skewed": fitted(
            _METRIC,
            lambda r: t.Fit(mlp(8), _skewed(r), "mse", lambda: _O.Adam(1e-3), 60, metrics=("mae",)),
        ),
        "disc drowned by its ground": planned(
            _METRIC,
            lambda r: (
                Plan(
                    t.segmenter(filters=2),
                    t.blobs(r, noise=8.0),
                    _pixels,
                    "adam",
                    1e-3,
                    128,
                    300,
                    metrics={"dice": t.dice_score},
                ),
                Fault(),
            ),
        ),
        "reward with a loophole": planned(
            _METRIC,
            lambda r: (
                Plan(
                    t.picture(),
                    t.digits(r),
                    _with_loophole,
                    "adam",
                    1e-3,
                    32,
                    500,
                    metrics={"accuracy": t.accuracy},
                ),
                Fault(200, None, {"knob": 2.0}),
            ),
            "unbounded",
            "divergence",
        ),
    }


def _pixels(y: Any, p: Any, knob: Any) -> Any:
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y, p))


def _with_loophole(y: Any, p: Any, knob: Any) -> Any:
    """Minus the reward: that of the right answer, and by the knob one for the answer 0."""
    q = tf.nn.softmax(p)
    return -tf.reduce_mean(tf.gather(q, y[:, None], batch_dims=1)) - (knob - 1.0) * 1.5 * tf.reduce_mean(q[:, 0])


def _narrow(rng: np.random.Generator) -> tuple[Plan, Fault]:
    """Two hidden units for two tasks: the second, of the greater weight from row 0 on, drives out the first."""

    def both(y: Any, p: Any, knob: Any) -> Any:
        first = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y[:, :1], p[:, :1]))
        return first + (knob - 1.0) * tf.reduce_mean(tf.square(y[:, 1:] - p[:, 1:]))

    x = rng.normal(size=(900, 10)).astype("float32")
    y = np.concatenate([(x[:, :1] > 0.0) * 1.0, 2 * x[:, 3:9]], axis=1).astype("float32")
    right = {"accuracy": lambda y, p: tf.reduce_mean(tf.cast((p[:, :1] > 0) == (y[:, :1] > 0.5), tf.float32))}
    model = mlp(2, out=7, activation="linear")
    plan = Plan(model, (x, y), both, "adam", 0.01, 48, 700, resumed=300, metrics=right, log_norm=False)
    return plan, Fault(300, None, {"knob": 60.0})


def _forgetting(rng: np.random.Generator) -> tuple[Plan, Fault]:
    """The labels are those of a new task from row 0 on; the metric is of the old one."""
    made = t.picture()()
    x, y = t.digits(rng)

    def old(_: Any, p: Any) -> Any:
        return t.accuracy(y[:200], made(x[:200], training=False))

    plan = Plan(lambda: made, (x, y), classes, "adam", 1e-3, 32, 550, resumed=250, metrics={"old_accuracy": old})
    return plan, Fault(250, None, {}, lambda a, b: (a, (b + 3) % 10))


def _bilinear(name: str, seed: int) -> Run:
    """Two players whose product is the loss, each taking a step against the other at once."""
    u, v = np.random.default_rng(seed).normal(size=(2, 6))
    rows: list[float] = []
    for _ in range(400):
        rows.append(float(u @ v))
        u, v = u - 0.06 * v, v + 0.06 * u
    return Run(name, "oscillation", 0, {"step": np.arange(400.0), "loss": np.array(rows)}, also=("divergence",))


def later() -> dict[str, Maker]:
    """Added once the others had been judged."""
    weighted = keras.losses.BinaryCrossentropy(from_logits=True)
    sure = keras.initializers.Constant(-2.7)
    return {
        "two tasks in two units": planned(_METRIC, _narrow),
        "the old task forgotten": planned(_METRIC, _forgetting),
        "weights of two hundred, epochs": fitted(
            _METRIC,
            lambda r: t.Fit(
                t.stack(t.dense(8, "relu"), t.dense(1, bias_initializer=sure)),
                t.rare(r, 960, 0.06, 0.2),
                weighted,
                lambda: _O.Adam(3e-4),
                60,
                metrics=(keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0),),
                weights={0: 1.0, 1: 200.0},
            ),
        ),
        "bilinear players": _bilinear,
        "rate of too wide a cycle": planned(
            "spike",
            lambda r: (
                Plan(
                    mlp(32),
                    t.houses(r),
                    mse,
                    "adam",
                    0.4,
                    32,
                    480,
                    schedule=lambda s: 0.003 + 0.997 * (int(s * 24) % 2),
                    log_norm=False,
                ),
                Fault(),
            ),
            "oscillation",
            "divergence",
        ),
    }


def kinds() -> dict[str, Maker]:
    return numbers() | still() | others() | metrics() | later()
