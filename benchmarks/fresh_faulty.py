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

_O = keras.optimizers
_SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


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
    coded = Plan(mlp(48, out=72), (np.zeros((2, 64), "float32"),) * 2, autoencoder, rate=0.003, steps=400)
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
                "metric-disagreement",
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
                "metric-disagreement",
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
                replace(coded, data=(t.digits(r)[0].reshape(-1, 64),) * 2, knob=0.01, turn=lambda s: 10 ** (5 * s - 2)),
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
            "metric-disagreement",
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
            "metric-disagreement",
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
            "metric-disagreement",
            lambda r: t.Fit(mlp(8), _skewed(r), "mse", lambda: _O.Adam(1e-3), 60, metrics=("mae",)),
        ),
        "disc drowned by its ground": planned(
            "metric-disagreement",
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
            "metric-disagreement",
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


def kinds() -> dict[str, Maker]:
    return numbers() | still() | others() | metrics()
