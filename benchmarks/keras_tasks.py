"""Models, data and losses of the trainings of `keras_runs.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from benchmarks.keras_training import Array


# Models.
def mlp(
    *units: int, out: int = 1, activation: str = "relu", last: str | None = None, **dense: Any
) -> Callable[[], keras.Model]:
    def made() -> keras.Model:
        layers = [keras.layers.Dense(n, activation=activation, **dense) for n in units]
        return keras.Sequential([*layers, keras.layers.Dense(out, activation=last)])

    return made


def conv(out: int = 10, activation: str = "relu", normed: bool = False) -> Callable[[], keras.Model]:
    def made() -> keras.Model:
        layers: list[Any] = [keras.layers.Conv2D(8, 3, activation=activation)]
        if normed:
            layers.append(keras.layers.BatchNormalization())
        more = [keras.layers.Conv2D(16, 3, activation=activation), keras.layers.Flatten(), keras.layers.Dense(out)]
        return keras.Sequential(layers + more)

    return made


def lstm() -> keras.Model:
    return keras.Sequential([keras.layers.LSTM(16), keras.layers.Dense(1)])


def scaled(factor: float, inner: Callable[[], keras.Model]) -> Callable[[], keras.Model]:
    """The model behind inputs that nobody normalised."""
    return lambda: keras.Sequential([keras.layers.Rescaling(factor), inner()])


# Data.
def regression(rng: np.random.Generator, n: int = 1024, noise: float = 0.1) -> tuple[Array, Array]:
    x = rng.normal(size=(n, 8)).astype("float32")
    y = np.sin(x @ rng.normal(size=(8, 1))) + x[:, :1] + noise * rng.normal(size=(n, 1))
    return x, y.astype("float32")


def images(rng: np.random.Generator, n: int = 1024, wrong: float = 0.0, classes: int = 10) -> tuple[Array, Array]:
    y = rng.integers(0, classes, n)
    x = rng.normal(size=(classes, 8, 8, 1))[y] + 1.0 * rng.normal(size=(n, 8, 8, 1))
    y = np.where(rng.random(n) < wrong, rng.integers(0, classes, n), y)
    return x.astype("float32"), y.astype("int32")


def sequences(rng: np.random.Generator, n: int = 1024) -> tuple[Array, Array]:
    x = rng.normal(size=(n, 16, 3)).astype("float32")
    return x, x[:, :, :1].sum(axis=1) * x[:, -1, 1:2]


def binary(rng: np.random.Generator, n: int = 1024, share: float = 0.5, sharp: float = 3.0) -> tuple[Array, Array]:
    x = rng.normal(size=(n, 8)).astype("float32")
    score = sharp * x[:, :1] * x[:, 1:2] + sharp * x[:, 2:3]
    y = score + rng.logistic(size=(n, 1)) > np.quantile(score, 1 - share)
    return x, y.astype("float32")


# Losses of targets, outputs and the knob.
def mse(y: Any, p: Any, knob: Any) -> Any:
    return knob * tf.reduce_mean(tf.square(y - p))


def classes(y: Any, p: Any, knob: Any) -> Any:
    return knob * tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, p))


def logits(y: Any, p: Any, knob: Any) -> Any:
    return knob * tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y, p))


def probabilities(y: Any, p: Any, knob: Any) -> Any:
    return -tf.reduce_mean(y * tf.math.log(p) + (1 - y) * tf.math.log(1 - p)) * knob


def focal(y: Any, p: Any, knob: Any) -> Any:
    q = tf.nn.sigmoid(p)
    right = tf.clip_by_value(tf.where(y > 0.5, q, 1 - q), 1e-7, 1.0)
    return -knob * tf.reduce_mean(0.25 * (1 - right) ** 2 * tf.math.log(right))


def normal(y: Any, p: Any, knob: Any) -> Any:
    """Of mean and log deviation; without a bound on the deviation."""
    mean, log_s = p[:, :1], p[:, 1:]
    return knob * tf.reduce_mean(0.5 * tf.square((y - mean) * tf.exp(-log_s)) + log_s)


def poisson(y: Any, p: Any, knob: Any) -> Any:
    return knob * tf.reduce_mean(tf.exp(p) - tf.exp(2 + y) * p)


def cosine(y: Any, p: Any, knob: Any) -> Any:
    return -knob * tf.reduce_mean(tf.reduce_sum(tf.nn.l2_normalize(y, 1) * tf.nn.l2_normalize(p, 1), axis=1))


def absolute(y: Any, p: Any, knob: Any) -> Any:
    return knob * tf.reduce_mean(tf.abs(y - p))


def percent(y: Any, p: Any, knob: Any) -> Any:
    return 100 * knob * tf.reduce_mean(tf.abs((y - p) / tf.maximum(tf.abs(y), 0.05)))


def contrastive(y: Any, z: Any, knob: Any) -> Any:
    """Of pairs that are neighbours in the batch: the output holds both views side by side."""
    a, b = (tf.nn.l2_normalize(part, axis=1) for part in tf.split(z, 2, axis=1))
    scores = tf.matmul(a, b, transpose_b=True) / 0.2
    rows = tf.range(tf.shape(z)[0])
    return knob * tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(rows, scores))


def triplet(y: Any, z: Any, knob: Any) -> Any:
    a, p, n = tf.split(z, 3, axis=1)
    near, far = (tf.reduce_sum(tf.square(a - other), axis=1) for other in (p, n))
    return knob * tf.reduce_mean(tf.maximum(near - far + 1.0, 0.0))


def autoencoder(y: Any, p: Any, knob: Any) -> dict[str, Any]:
    """Reconstruction and divergence from the prior, by the knob; the output holds picture, mean and log variance."""
    picture, mean, log_v = p[:, :64], p[:, 64:68], p[:, 68:]
    divergence = 0.5 * tf.reduce_sum(tf.square(mean) + tf.exp(log_v) - 1 - log_v, axis=1)
    return {
        "reconstruction": tf.reduce_mean(tf.reduce_sum(tf.square(y - picture), axis=1)),
        "divergence": knob * tf.reduce_mean(divergence),
    }


def decayed(model_loss: Callable[..., Any]) -> Callable[..., Any]:
    """The loss and, by the knob, the square of the outputs."""
    return lambda y, p, knob: {"data": model_loss(y, p, 1.0), "penalty": knob * 1e-2 * tf.reduce_mean(tf.square(p))}


def policy(y: Any, p: Any, knob: Any) -> Any:
    """Of drawn actions whose rewards are the targets: minus the reward beyond the mean, by the action's likelihood."""
    action = tf.random.categorical(p, 1)
    reward = tf.gather(y, action, batch_dims=1) + tf.random.normal(tf.shape(action))
    likelihood = tf.gather(tf.nn.log_softmax(p), action, batch_dims=1)
    return -knob * tf.reduce_mean(likelihood * (reward - tf.reduce_mean(reward)))


class Twins:
    """A model with its slow twin as target: temporal differences (`discount`), or one view's outputs from another's."""

    def __init__(self, inner: Callable[[], keras.Model], pace: float) -> None:
        self.model, self.twin, self.pace = inner(), inner(), pace

    def made(self) -> keras.Model:
        self.twin(np.zeros((1, 8), "float32"))
        self.model(np.zeros((1, 8), "float32"))
        self.twin.trainable = False
        self.twin.set_weights(self.model.get_weights())
        return self.model

    def follow(self, model: keras.Model, step: int) -> None:
        for slow, quick in zip(self.twin.variables, model.variables, strict=True):
            slow.assign(slow + self.pace * (quick - slow))

    def temporal(self, y: Any, p: Any, knob: Any) -> Any:
        """The targets hold the reward and the next state."""
        after = tf.stop_gradient(self.twin(y[:, 1:]))
        return knob * tf.reduce_mean(tf.square(p[:, :1] - y[:, :1] - 0.95 * after[:, :1]))
