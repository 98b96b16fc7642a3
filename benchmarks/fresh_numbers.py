"""Trainings of `fresh_runs.py` whose numbers run away, or that stand still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from benchmarks import fresh_tasks as t
from benchmarks.fresh_healthy import Layers, held, pair_encoder, views
from benchmarks.fresh_makers import Maker, dated, fitted, planned, rate_gone, turned
from benchmarks.keras_tasks import classes, mlp, mse
from benchmarks.keras_training import Array, Fault, Plan

_O = keras.optimizers
_SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _hand_softmax(y: Any, p: Any, knob: Any) -> Any:
    e = tf.exp(p)
    q = e / tf.reduce_sum(e, axis=1, keepdims=True)
    return -tf.reduce_mean(tf.math.log(tf.gather(q, y[:, None], batch_dims=1)))


def _half(y: Any, p: Any, knob: Any) -> Any:
    """Summed in half precision."""
    return tf.cast(tf.reduce_sum(tf.cast(tf.square(y - p), tf.float16)), tf.float32)


def _divergence_of_shares(y: Any, p: Any, knob: Any) -> Any:
    return tf.reduce_mean(tf.reduce_sum(y * (tf.math.log(y) - tf.nn.log_softmax(p)), axis=1))


def _shares(rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.normal(size=(800, 6))
    e = np.exp(x @ rng.normal(size=(6, 4)))
    return x.astype("float32"), (e / e.sum(1, keepdims=True)).astype("float32")


def _zeroed(x: Array, y: Array) -> tuple[Array, Array]:
    y = y.copy()
    y[0] = np.eye(4)[0]
    return x, y


def _gamma(y: Any, p: Any) -> Any:
    shape = tf.exp(p)
    return tf.reduce_mean(tf.math.lgamma(shape) - (shape - 1) * tf.math.log(y) + y)


def _waiting(rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.normal(size=(640, 6))
    y = rng.gamma(np.exp(0.5 * x[:, :1]))
    y[300] = 0.0
    return x.astype("float32"), y.astype("float32")


def _bootstrap(model: Any, rate: float) -> Callable[..., Any]:
    """Q-learning on its own estimates without a target network: the maximum of the next state's values."""

    def loss(y: Any, p: Any, knob: Any) -> Any:
        after = tf.reduce_max(model()(y[:, 1:]), axis=1, keepdims=True)
        return tf.reduce_mean(tf.square(tf.reduce_max(p, 1, keepdims=True) - y[:, :1] - rate * tf.stop_gradient(after)))

    return loss


def _q_learning(rng: np.random.Generator) -> tuple[Plan, Fault]:
    made = mlp(32, out=3)()
    x = rng.normal(size=(600, 6))
    y = np.concatenate([1.0 + x[:, :1], 1.3 * np.roll(x, 1, axis=1)], axis=1)
    data = x.astype("float32"), y.astype("float32")
    return Plan(lambda: made, data, _bootstrap(lambda: made, 1.02), rate=0.005, log_norm=False, steps=500), Fault()


def numbers() -> dict[str, Maker]:
    return {
        "softmax by hand, pixels of 255": planned(
            "non-finite",
            lambda r: (Plan(t.picture(), (150 * (d := t.digits(r))[0], d[1]), _hand_softmax, "adam", 2e-3), Fault()),
        ),
        "summed in half precision": planned(
            "non-finite",
            lambda r: (
                Plan(mlp(24), t.houses(r), _half, "sgd", 1e-4, 48, log_norm=False),
                Fault(140, 141, {}, lambda x, y: (x, y + 60.0)),
            ),
        ),
        "share of zero in a divergence": planned(
            "non-finite",
            lambda r: (
                Plan(mlp(16, out=4), _shares(r), _divergence_of_shares, rate=2e-3, epoch=10, steps=600),
                Fault(300, 301, {}, _zeroed),
            ),
        ),
        "likelihood of a waiting time of zero": fitted(
            "non-finite",
            lambda r: t.Fit(mlp(16), _waiting(r), _gamma, lambda: _O.Adam(1e-3), 30, metrics=("mae",)),
        ),
        "values learned from themselves": planned("divergence", _q_learning, "unbounded", "exploding"),
        "rate that grows by the step": dated(
            planned(
                "divergence",
                lambda r: (
                    Plan(
                        t.reader("GRU"),
                        t.waves(r),
                        classes,
                        "rmsprop",
                        1e-3,
                        32,
                        450,
                        schedule=lambda s: 10 ** (4 * s),
                        log_rate=True,
                        log_norm=False,
                    ),
                    Fault(),
                ),
                "exploding",
                "spike",
            ),
            turned,
        ),
        "unscaled columns": fitted(
            "divergence",
            lambda r: t.Fit(
                mlp(),
                ((d := t.houses(r))[0] * np.geomspace(1, 30, 12).astype("float32"), d[1]),
                "mse",
                lambda: _O.SGD(0.005, momentum=0.9),
                30,
                metrics=("mae",),
            ),
            "non-finite",
        ),
        "fine-tuning at the rate of the head": fitted(
            "divergence",
            lambda r: t.Fit(
                t.picture(),
                loss=_SPARSE,
                optimizer=lambda: _O.SGD(0.02, momentum=0.9),
                epochs=60,
                metrics=("accuracy",),
                **held(t.digits(r, 1200), 1000),
                callbacks=lambda: [t.at_epoch(30, lambda m: m.optimizer.learning_rate.assign(1.5))],
            ),
            "non-finite",
            onset=30,
        ),
        "penalty of the wrong sign": planned(
            "unbounded",
            lambda r: (
                Plan(mlp(16), t.houses(r), lambda y, p, k: mse(y, p, k) - 1.2 * tf.reduce_mean(tf.square(p)), "adamw"),
                Fault(),
            ),
            "divergence",
        ),
        "labels of minus one in a cross-entropy": fitted(
            "unbounded",
            lambda r: t.Fit(
                mlp(16),
                ((d := t.rare(r, 960, 0.5, 0.5))[0], 2 * d[1] - 1),
                keras.losses.BinaryCrossentropy(from_logits=True),
                lambda: _O.Adam(1e-3),
                40,
            ),
        ),
        "pixels of 255 in a cross-entropy": fitted(
            "unbounded",
            lambda r: t.Fit(
                mlp(16, out=64),
                (abs(x := t.digits(r)[0].reshape(-1, 64)), 100 * abs(x)),
                keras.losses.BinaryCrossentropy(from_logits=True),
                lambda: _O.RMSprop(1e-3),
                50,
            ),
        ),
        "apart without a margin": planned(
            "unbounded",
            lambda r: (Plan(t.picture(8), t.digits(r), t.siamese, rate=1e-3, batch=48, steps=250, knob=-1.0), Fault()),
            "divergence",
        ),
        "targets in other units": planned(
            "spike",
            lambda r: (
                Plan(mlp(32), t.houses(r), mse, "rmsprop", 2e-3, 32, 400, log_norm=False),
                Fault(170, 172, {}, lambda x, y: (x, 10 * y)),
            ),
        ),
        "one epoch of mixed labels": planned(
            "spike",
            lambda r: (
                Plan(
                    t.picture(),
                    t.digits(r),
                    classes,
                    "adam",
                    1e-3,
                    48,
                    1000,
                    epoch=20,
                    metrics={"accuracy": t.accuracy},
                ),
                Fault(600, 620, {}, lambda x, y: (x, y[::-1].copy())),
            ),
        ),
        "rate of one step": planned(
            "spike",
            lambda r: (
                Plan(t.reader("conv"), t.waves(r), classes, "sgd", 0.1, 32, 400, momentum=0.8),
                Fault(70, 71, {"rate": 80.0}),
            ),
            "divergence",
        ),
        "sensor out of range": planned(
            "spike",
            lambda r: (
                Plan(mlp(32, out=3), t.houses(r), t.quantile, "lion", 5e-4, 24, 450),
                Fault(220, 223, {}, lambda x, y: (np.where(np.arange(12) == 3, 200.0, x).astype("float32"), y)),
            ),
        ),
        "longer sequences": planned(
            "spike",
            lambda r: (
                Plan(
                    lambda: keras.Sequential([Layers.SimpleRNN(12, activation="linear"), Layers.Dense(3)]),
                    t.waves(r, length=12),
                    classes,
                    "sgd",
                    0.01,
                    32,
                    300,
                    clip=0.5,
                ),
                Fault(150, None, {}, lambda x, y: (np.tile(x, (1, 6, 1)) * 1.0, y)),
            ),
            "divergence",
            "exploding",
        ),
        "decay of what is normalised": planned(
            "exploding",
            lambda r: (
                Plan(pair_encoder, views(r), t.two_views, "adam", 1e-4, 64, 400, every=_shrink, clip=1.0),
                Fault(120),
            ),
            "divergence",
        ),
    }


def _shrink(model: Any, step: int) -> None:
    for layer in model.layers:
        for part in getattr(layer, "layers", []):
            part.kernel.assign(0.96 * part.kernel) if hasattr(part, "kernel") else None
            part.bias.assign(0.96 * part.bias) if hasattr(part, "bias") else None


def _off(units: int) -> Callable[[], Any]:
    return t.dense(units, "relu", bias_initializer=keras.initializers.Constant(-20.0))


def _kept_off(model: Any, step: int) -> None:
    """Saturates what comes before the last sigmoid."""
    if step == 180:
        model.layers[-1].kernel.assign(1e5 * model.layers[-1].kernel)


def still() -> dict[str, Maker]:
    return {
        "rectified output of negative targets": fitted(
            "no-learning",
            lambda r: t.Fit(
                mlp(24, last="relu"),
                ((d := t.houses(r))[0], -abs(d[1]) - 1),
                "mse",
                lambda: _O.Adam(1e-2),
                50,
                metrics=("mae",),
            ),
            "stall",
            "vanishing",
        ),
        "mask of nothing": planned(
            "no-learning",
            lambda r: (Plan(t.segmenter(-40.0), t.blobs(r), t.dice, "adam", 1e-3, 16, 250), Fault()),
            "vanishing",
        ),
        "triplets collapsed": planned(
            "no-learning",
            lambda r: (Plan(t.picture(8), t.digits(r), t.in_batch_triplet, "adam", 0.05, 48, 300), Fault()),
            "stall",
            "vanishing",
        ),
        "too much decay": planned(
            "no-learning",
            lambda r: (
                Plan(mlp(24), t.houses(r), mse, "sgd", 0.01, 32, 350, every=_decay_all, log_norm=True),
                Fault(),
            ),
            "stall",
            "term-imbalance",
        ),
        "sequence behind its padding": fitted(
            "no-learning",
            lambda r: t.Fit(
                t.reader("LSTM"),
                (np.pad((d := t.waves(r))[0], ((0, 0), (0, 60), (0, 0)))[:, -24:], d[1]),
                _SPARSE,
                lambda: _O.Adam(1e-3),
                40,
                metrics=("accuracy",),
            ),
        ),
        "rate lowered too soon": dated(
            fitted(
                "stall",
                lambda r: t.Fit(
                    t.picture(),
                    loss=_SPARSE,
                    optimizer=lambda: _O.SGD(0.002),
                    epochs=80,
                    metrics=("accuracy",),
                    callbacks=lambda: [
                        keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.1, min_delta=0.05, min_lr=1e-9)
                    ],
                    **held(t.digits(r, 1200), 1000),
                ),
                "no-learning",
            ),
            rate_gone,
        ),
        "decay by the step, not by the epoch": dated(
            planned(
                "stall",
                lambda r: (
                    Plan(
                        mlp(32, 16),
                        t.houses(r),
                        mse,
                        "adam",
                        1e-3,
                        64,
                        500,
                        schedule=lambda s: 0.97 ** (500 * s),
                        log_rate=True,
                    ),
                    Fault(),
                ),
                "no-learning",
            ),
            rate_gone,
        ),
        "adagrad after an outlier": planned(
            "stall",
            lambda r: (
                Plan(mlp(24), t.houses(r), mse, "adagrad", 0.05, 32, 500, log_norm=False),
                Fault(60, 62, {}, lambda x, y: (x, y + 2000.0)),
            ),
            "spike",
            "divergence",
        ),
        "saturated squares": planned(
            "vanishing",
            lambda r: (
                Plan(mlp(16, last="sigmoid"), t.rare(r, 900, 0.4, 0.4), mse, "sgd", 0.1, 48, 450, every=_kept_off),
                Fault(180),
            ),
            "stall",
            "divergence",
            "spike",
        ),
    }


def _decay_all(model: Any, step: int) -> None:
    for variable in model.trainable_variables:
        variable.assign(0.8 * variable)
