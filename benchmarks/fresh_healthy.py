"""Healthy trainings of `fresh_runs.py`: each learns, and ends at a loss that the task allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from benchmarks import fresh_tasks as t
from benchmarks.keras_tasks import autoencoder, classes, focal, mlp, mse
from benchmarks.keras_training import Plan, train
from benchmarks.run import Run

_O = keras.optimizers
Layers = keras.layers


def _warm_cosine(s: float) -> float:
    return min(s / 0.08 + 0.02, 1.0) * (0.5 + 0.5 * math.cos(math.pi * s))


def _one_cycle(s: float) -> float:
    return 0.1 + 0.9 * (1 - abs(s - 0.3) / (0.3 if s < 0.3 else 0.7))


def _triangles(s: float) -> float:
    return 0.1 + 0.9 * (1 - abs((s * 6) % 2 - 1))


def _rewards(rng: np.random.Generator) -> tuple[Any, Any]:
    x = rng.normal(size=(1024, 6)).astype("float32")
    return x, (x @ rng.normal(size=(6, 4)) + rng.normal(size=(1024, 4))).astype("float32")


def views(rng: np.random.Generator) -> tuple[Any, Any]:
    x = rng.normal(size=(1024, 8))
    both = [x + 0.4 * rng.normal(size=x.shape) for _ in range(2)]
    return np.concatenate(both, axis=1).astype("float32"), x.astype("float32")


def pair_encoder() -> keras.Model:
    encoder = mlp(32, out=8)()
    given: Any = keras.Input((16,))
    return keras.Model(given, Layers.Concatenate()([encoder(given[:, :8]), encoder(given[:, 8:])]))


def _labels(rng: np.random.Generator) -> tuple[Any, Any]:
    """Sequences that show three symbols one after the other, and the symbols."""
    y = np.stack([rng.choice(5, 3, replace=False) for _ in range(512)])
    x = np.repeat(np.eye(5)[y], 5, axis=1) + 0.4 * rng.normal(size=(512, 15, 5))
    return x.astype("float32"), y.astype("int32")


def _ratings(rng: np.random.Generator) -> tuple[Any, Any]:
    users, items = rng.integers(0, 40, 1500), rng.integers(0, 30, 1500)
    u, v = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    y = (u[users] * v[items]).sum(1) + 0.3 * rng.normal(size=1500)
    return np.stack([users, items], axis=1).astype("int32"), y[:, None].astype("float32")


def _factors() -> keras.Model:
    given: Any = keras.Input((2,), dtype="int32")
    user, item = Layers.Embedding(40, 4)(given[:, 0]), Layers.Embedding(30, 4)(given[:, 1])
    return keras.Model(given, Layers.Dense(1)(user * item))


def adversaries(name: str, seed: int, kind: str = "healthy", rate: float = 1e-3, saturating: bool = False) -> Run:
    """Both losses of a generator and a discriminator of a ring, with the norm of the generator's gradient."""
    keras.utils.set_random_seed(seed)
    maker, judge = mlp(24, 24, out=2)(), mlp(24, 24, out=1)()
    maker(np.zeros((1, 4), "float32"))
    judge(np.zeros((1, 2), "float32"))
    own, others = _O.Adam(1e-3, beta_1=0.5), _O.Adam(rate, beta_1=0.5)
    own.build(maker.trainable_variables)
    others.build(judge.trainable_variables)

    @tf.function
    def step() -> Any:
        angle = tf.random.uniform((64, 1), 0, 6.28)
        real = 2.0 * tf.concat([tf.cos(angle), tf.sin(angle)], axis=1) + 0.05 * tf.random.normal((64, 2)) + 2.0
        with tf.GradientTape(persistent=True) as tape:
            a, b = judge(real), judge(maker(tf.random.normal((64, 4))))
            g = -tf.reduce_mean(tf.nn.softplus(b)) if saturating else tf.reduce_mean(tf.nn.softplus(-b))
            d = 0.5 * tf.reduce_mean(tf.nn.softplus(-a) + tf.nn.softplus(b))
        grads = tape.gradient(g, maker.trainable_variables)
        own.apply_gradients(zip(grads, maker.trainable_variables, strict=True))
        others.apply_gradients(zip(tape.gradient(d, judge.trainable_variables), judge.trainable_variables, strict=True))
        return tf.stack([g, d, tf.linalg.global_norm(grads)])

    rows = np.array([step().numpy() for _ in range(500)])
    columns = {"step": np.arange(500.0), "loss": rows[:, 0], "d_loss": rows[:, 1], "grad_norm": rows[:, 2]}
    return Run(name, kind, None if kind == "healthy" else 0, columns)


def held(data: tuple[Any, Any], count: int) -> dict[str, Any]:
    return dict(zip(("data", "held_out"), t.split(data, count), strict=True))


def kinds() -> dict[str, Callable[[str, int], Run]]:
    """A run by name and seed."""

    def plan(made: Callable[[np.random.Generator], Plan]) -> Callable[[str, int], Run]:
        return lambda name, seed: train(name, "healthy", made(np.random.default_rng(9000 + seed)), seed)

    def fit(made: Callable[[np.random.Generator], t.Fit]) -> Callable[[str, int], Run]:
        return lambda name, seed: t.fit(name, "healthy", made(np.random.default_rng(9000 + seed)), seed, None)

    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    yes_no = keras.losses.BinaryCrossentropy(from_logits=True)

    return {
        "lstm of waves, epochs": fit(
            lambda r: t.Fit(
                t.reader("LSTM"),
                loss=sparse,
                optimizer=lambda: _O.Adam(3e-3),
                metrics=("accuracy",),
                epochs=40,
                **held(t.waves(r), 480),
            )
        ),
        "conv1d, warm cosine": plan(
            lambda r: Plan(
                t.reader("conv"),
                t.waves(r),
                classes,
                "adamw",
                0.01,
                schedule=_warm_cosine,
                log_rate=True,
                metrics={"accuracy": t.accuracy},
            )
        ),
        "adversaries": lambda name, seed: adversaries(name, seed),
        "autoencoder of digits, prior by epochs": plan(
            lambda r: Plan(
                mlp(48, out=72),
                t.flat_digits(r),
                autoencoder,
                rate=0.003,
                knob=0.0,
                epoch=20,
                steps=1000,
                turn=lambda s: min(s * 4, 1.0),
            )
        ),
        "siamese of digits": plan(
            lambda r: Plan(t.picture(8), t.digits(r), t.siamese, "rmsprop", 1e-3, 64, 350, log_rate=True)
        ),
        "laplace, epochs": fit(
            lambda r: t.Fit(
                mlp(24, out=2),
                loss=t.laplace,
                optimizer=lambda: _O.RMSprop(2e-3),
                metrics=(t.mae,),
                epochs=60,
                **held(((d := t.houses(r, noise=0.02))[0], 0.1 * d[1]), 600),
            )
        ),
        "quantiles, lion": plan(lambda r: Plan(mlp(32, out=3), t.houses(r), t.quantile, "lion", 5e-4, 24, 450)),
        "dice, one cycle": plan(
            lambda r: Plan(
                t.segmenter(),
                t.blobs(r),
                t.dice,
                rate=0.01,
                batch=16,
                steps=300,
                schedule=_one_cycle,
                log_rate=True,
                metrics={"dice": t.dice_score},
            )
        ),
        "focal segmentation": plan(
            lambda r: Plan(t.segmenter(-2.0), t.blobs(r), focal, "adam", 0.004, 8, 350, metrics={"dice": t.dice_score})
        ),
        "ctc": plan(
            lambda r: Plan(
                stack_of_time,
                _labels(r),
                t.ctc,
                rate=0.01,
                batch=32,
                steps=300,
                clip=5.0,
            )
        ),
        "ranking of lists": plan(
            lambda r: Plan(mlp(24), t.houses(r), t.listwise, "sgd", 0.05, 64, 400, momentum=0.9, ordered=True)
        ),
        "reinforce with entropy": plan(
            lambda r: Plan(mlp(24, out=4), _rewards(r), t.reinforce, "adam", 0.003, 64, 500, log_norm=False)
        ),
        "equation": lambda name, seed: train(
            name, "healthy", equation(t.Equation(), np.random.default_rng(seed)), seed
        ),
        "survival, full batch": plan(lambda r: Plan(mlp(8), t.patients(r), t.cox, "sgd", 0.05, 400, 300, momentum=0.9)),
        "ratings, adagrad, epochs": fit(
            lambda r: t.Fit(
                _factors,
                loss="mse",
                optimizer=lambda: _O.Adagrad(0.2),
                metrics=("mae",),
                epochs=50,
                **held(_ratings(r), 1200),
            )
        ),
        "one sample a batch": plan(lambda r: Plan(mlp(), t.houses(r), mse, "sgd", 0.01, 1, 600, log_norm=True)),
        "lowered at plateaus, epochs": fit(
            lambda r: t.Fit(
                mlp(8),
                loss="mse",
                optimizer=lambda: _O.Adam(0.01),
                metrics=("mae",),
                epochs=100,
                callbacks=lambda: [keras.callbacks.ReduceLROnPlateau(patience=8, factor=0.3)],
                **held(t.houses(r, 3000, 1.0), 2600),
                batch=128,
            )
        ),
        "restarts, epochs": fit(
            lambda r: t.Fit(
                t.picture(),
                loss=sparse,
                optimizer=lambda: _O.SGD(0.05, momentum=0.9),
                metrics=("accuracy",),
                epochs=45,
                callbacks=lambda: [keras.callbacks.LearningRateScheduler(_by_fifteen)],
                **held(t.digits(r, 3000, 0.4), 2600),
                batch=64,
            )
        ),
        "triangular rate": plan(
            lambda r: Plan(
                t.picture(),
                t.digits(r),
                classes,
                "sgd",
                0.08,
                48,
                480,
                schedule=_triangles,
                momentum=0.8,
                log_rate=True,
                log_norm=False,
            )
        ),
        "much dropout, epochs": fit(
            lambda r: t.Fit(
                t.picture(drop=0.6),
                loss=sparse,
                optimizer=lambda: _O.AdamW(2e-3),
                metrics=("accuracy",),
                epochs=40,
                **held(t.digits(r, 2000), 1600),
            )
        ),
        "rare class, plain accuracy, epochs": fit(
            lambda r: t.Fit(
                mlp(8),
                loss=yes_no,
                optimizer=lambda: _O.Adam(1e-3),
                epochs=50,
                metrics=(keras.metrics.BinaryAccuracy(threshold=0.0), keras.metrics.AUC(from_logits=True, name="auc")),
                **held(t.rare(r, 2400, 0.08, 0.7), 2000),
            )
        ),
        "precision for recall, epochs": fit(
            lambda r: t.Fit(
                mlp(16),
                loss=yes_no,
                optimizer=lambda: _O.Adam(1e-3),
                epochs=60,
                weights={0: 1.0, 1: 6.0},
                metrics=(
                    keras.metrics.Precision(thresholds=0.0, name="precision"),
                    keras.metrics.Recall(thresholds=0.0, name="recall"),
                ),
                **held(t.rare(r, 2400, 0.15, 0.8), 2000),
            )
        ),
        "huber of prices, step decay, epochs": fit(
            lambda r: t.Fit(
                mlp(8),
                loss="huber",
                optimizer=lambda: _O.SGD(0.05, nesterov=True, momentum=0.9),
                metrics=("mae", "mse"),
                epochs=60,
                **held(t.houses(r, 2000, 0.6), 1600),
                callbacks=lambda: [keras.callbacks.LearningRateScheduler(lambda e: 0.05 * 0.2 ** (e // 20))],
            )
        ),
        "divergence from the prior beside the loss": plan(
            lambda r: Plan(
                mlp(48, out=72),
                t.flat_digits(r),
                autoencoder,
                "adamw",
                0.002,
                48,
                600,
                log_terms=False,
                log_norm=False,
                metrics={"kl": _divergence, "spread": lambda y, p: tf.math.reduce_std(p[:, :64])},
            )
        ),
        "surer and surer": plan(
            lambda r: Plan(
                t.picture(),
                t.digits(r, noise=0.2),
                classes,
                "adam",
                2e-3,
                48,
                500,
                metrics={"accuracy": t.accuracy, "entropy": _entropy, "largest_logit": lambda y, p: tf.reduce_max(p)},
            )
        ),
        "fewer misses, more alarms, epochs": fit(
            lambda r: t.Fit(
                t.stack(t.dense(8, "relu"), t.dense(1, bias_initializer=keras.initializers.Constant(-1.5))),
                loss=yes_no,
                optimizer=lambda: _O.Adam(1e-3),
                epochs=50,
                weights={0: 1.0, 1: 3.0},
                metrics=(
                    keras.metrics.Recall(thresholds=0.0, name="recall"),
                    keras.metrics.AUC(from_logits=True, name="auc"),
                    keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0),
                ),
                **held(t.rare(r, 2400, 0.2, 0.9), 2000),
            )
        ),
        "smoothed labels, epochs": fit(
            lambda r: t.Fit(
                t.picture(drop=0.2),
                loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2),
                optimizer=lambda: _O.Lion(2e-4),
                epochs=35,
                metrics=("accuracy", "mae"),
                **held(_one_hot(t.digits(r, 1800)), 1500),
            )
        ),
        "two views": plan(lambda r: Plan(pair_encoder, views(r), t.two_views, "lion", 3e-4, 128, 400)),
    }


def _one_hot(data: tuple[Any, Any]) -> tuple[Any, Any]:
    return data[0], np.eye(10, dtype="float32")[data[1]]


def _divergence(y: Any, p: Any) -> Any:
    mean, log_v = p[:, 64:68], p[:, 68:]
    return tf.reduce_mean(0.5 * tf.reduce_sum(tf.square(mean) + tf.exp(log_v) - 1 - log_v, axis=1))


def _entropy(y: Any, p: Any) -> Any:
    log_p = tf.nn.log_softmax(p)
    return -tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * log_p, axis=1))


def stack_of_time() -> keras.Model:
    return keras.Sequential([Layers.LSTM(20, return_sequences=True), Layers.Dense(6)])


def _by_fifteen(epoch: int) -> float:
    return 0.025 * (1 + math.cos(math.pi * (epoch % 15) / 15)) + 1e-4


def equation(inner: t.Equation, rng: np.random.Generator) -> Plan:
    x = rng.uniform(0, 3, (512, 1)).astype("float32")
    return Plan(inner.made, (x, x), inner, rate=0.003, batch=128, steps=500)
