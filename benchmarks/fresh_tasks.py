"""Data, models, losses and metrics of the trainings of `fresh_runs.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from benchmarks.keras_training import Array
from benchmarks.run import Run

Layers = keras.layers


@dataclass
class Fit:
    """A training by `fit`, whose log is that of the history: epochs, metrics, validation."""

    model: Callable[[], keras.Model]
    data: tuple[Array, Array]
    loss: Any
    optimizer: Callable[[], Any]
    epochs: int = 60
    batch: int = 32
    held_out: tuple[Array, Array] | None = None
    metrics: tuple[Any, ...] = ()
    callbacks: Callable[[], list[Any]] = list
    weights: dict[int, float] | None = None
    extra: dict[str, Any] = field(default_factory=dict)  # further arguments of compile


def fit(name: str, kind: str, plan: Fit, seed: int, onset: int | None = 0, also: tuple[str, ...] = ()) -> Run:
    keras.utils.set_random_seed(seed)
    model: Any = plan.model()
    model.compile(plan.optimizer(), plan.loss, metrics=list(plan.metrics), **plan.extra)
    history = model.fit(
        *plan.data,
        batch_size=plan.batch,
        epochs=plan.epochs,
        validation_data=plan.held_out,
        class_weight=plan.weights,
        callbacks=plan.callbacks(),
        verbose=0,
    )
    columns = {key: np.array(values, dtype=float) for key, values in history.history.items()}
    return Run(name, kind, onset, {"epoch": np.arange(len(history.epoch), dtype=float), **columns}, "epoch", also)


def at_epoch(epoch: int, change: Callable[[Any], None]) -> Any:
    """A callback that changes the model when an epoch begins."""

    class Change(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, number: int, logs: Any = None) -> None:
            if number == epoch:
                change(self.model)

    return Change()


# Data.
def split(data: tuple[Array, Array], count: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The first `count` samples, and the others."""
    x, y = data
    return (x[:count], y[:count]), (x[count:], y[count:])


_GLYPHS = (
    "0110100110010110 0010011000100111 1110001001001111 1110001100011110 1001100111110001 "
    "1111100011100001 0110100011111110 1111000100100010 0110011010010110 0111111100010110"
).split()


def digits(rng: np.random.Generator, n: int = 960, noise: float = 0.5, share: float = 0.0) -> tuple[Array, Array]:
    """Digits of four pixels by four somewhere in a picture of eight by eight; of a share the label is the next one."""
    y = rng.integers(0, 10, n)
    x = noise * rng.normal(size=(n, 8, 8, 1))
    glyphs = np.array([[float(c) for c in glyph] for glyph in _GLYPHS]).reshape(10, 4, 4)
    for picture, label in zip(x, y, strict=True):
        i, j = rng.integers(1, 4, 2)
        picture[i : i + 4, j : j + 4, 0] += 1.5 * glyphs[label]
    return x.astype("float32"), np.where(rng.random(n) < share, (y + 1) % 10, y).astype("int32")


def flat_digits(rng: np.random.Generator) -> tuple[Array, Array]:
    """Digits as rows of 64, as inputs and as targets."""
    flat = digits(rng)[0].reshape(-1, 64)
    return flat, flat


def waves(rng: np.random.Generator, n: int = 640, length: int = 24, noise: float = 0.3) -> tuple[Array, Array]:
    """Sines of one of three frequencies, and which."""
    y = rng.integers(0, 3, n)
    t = np.arange(length)[None, :]
    x = np.sin(t * (0.3 + 0.25 * y[:, None]) + rng.uniform(0, 6.28, (n, 1))) + noise * rng.normal(size=(n, length))
    return x[:, :, None].astype("float32"), y.astype("int32")


def blobs(rng: np.random.Generator, n: int = 384, noise: float = 0.6) -> tuple[Array, Array]:
    """Pictures of twelve by twelve with a bright disc, and its mask."""
    i, j = np.meshgrid(np.arange(12), np.arange(12), indexing="ij")
    centre, radius = rng.uniform(3, 9, (n, 2, 1, 1)), rng.uniform(1.2, 2.5, (n, 1, 1))
    mask = ((i - centre[:, 0]) ** 2 + (j - centre[:, 1]) ** 2 < radius**2)[..., None]
    return (mask + noise * rng.normal(size=mask.shape)).astype("float32"), mask.astype("float32")


def houses(rng: np.random.Generator, n: int = 768, noise: float = 0.2) -> tuple[Array, Array]:
    """A table of twelve columns and a price."""
    x = rng.normal(size=(n, 12))
    y = 1.0 + x[:, :3].sum(1) + np.maximum(x[:, 3], 0) * x[:, 4] + noise * (1 + np.abs(x[:, 5])) * rng.normal(size=n)
    return x.astype("float32"), y[:, None].astype("float32")


def rare(rng: np.random.Generator, n: int = 960, share: float = 0.06, signal: float = 0.3) -> tuple[Array, Array]:
    """A rare class that its features hardly tell."""
    y = (rng.random((n, 1)) < share).astype("float32")
    return (rng.normal(size=(n, 12)) + signal * y).astype("float32"), y


def patients(rng: np.random.Generator, n: int = 400, columns: int = 10) -> tuple[Array, Array]:
    """Features; time and whether the event was seen."""
    x = rng.normal(size=(n, columns))
    t = rng.exponential(np.exp(-x[:, 0] - 0.5 * x[:, 1]))
    stop = rng.exponential(2.0, n)
    return x.astype("float32"), np.stack([np.minimum(t, stop), t < stop], axis=1).astype("float32")


# Models.
def stack(*layers: Callable[[], Any]) -> Callable[[], keras.Model]:
    return lambda: keras.Sequential([made() for made in layers])


def dense(units: int, activation: str | None = None, **more: Any) -> Callable[[], Any]:
    return lambda: Layers.Dense(units, activation=activation, **more)


def reader(kind: str, out: int = 3, units: int = 12) -> Callable[[], keras.Model]:
    """Of sequences: an LSTM, a GRU, or convolutions."""
    if kind == "conv":
        return stack(
            lambda: Layers.Conv1D(units, 5, activation="relu"), lambda: Layers.GlobalAveragePooling1D(), dense(out)
        )
    return stack(lambda: getattr(Layers, kind)(units), dense(out))


def picture(out: int = 10, drop: float = 0.0) -> Callable[[], keras.Model]:
    return stack(
        lambda: Layers.Conv2D(12, 3, activation="relu"),
        lambda: Layers.MaxPooling2D(2),
        lambda: Layers.Flatten(),
        lambda: Layers.Dropout(drop),
        dense(32, "relu"),
        dense(out),
    )


def segmenter(last_bias: float = 0.0, filters: int = 8) -> Callable[[], keras.Model]:
    bias: Any = keras.initializers.Constant(last_bias)
    return stack(
        lambda: Layers.Conv2D(filters, 3, padding="same", activation="relu"),
        lambda: Layers.Conv2D(1, 3, padding="same", bias_initializer=bias),
    )


# Losses of targets, outputs and the knob.
def dice(y: Any, p: Any, knob: Any = 1.0) -> Any:
    q = tf.sigmoid(p)
    both = tf.reduce_sum(y * q, axis=(1, 2, 3))
    return knob * (1 - tf.reduce_mean((2 * both + 1e-3) / (tf.reduce_sum(y + q, axis=(1, 2, 3)) + 1e-3)))


def dice_score(y: Any, p: Any) -> Any:
    return 1 - dice(y, p)


def laplace(y: Any, p: Any, knob: Any = 1.0) -> Any:
    return knob * tf.reduce_mean(tf.abs(y - p[:, :1]) * tf.exp(-p[:, 1:]) + p[:, 1:])


def quantile(y: Any, p: Any, knob: Any = 1.0) -> Any:
    """The tenth, the half and nine tenths."""
    share = tf.constant([0.1, 0.5, 0.9])
    return knob * tf.reduce_mean(tf.maximum(share * (y - p), (share - 1) * (y - p)))


def cox(y: Any, p: Any, knob: Any = 1.0) -> Any:
    """Minus the partial likelihood of the batch."""
    later = tf.cast(y[None, :, 0] >= y[:, :1], tf.float32)
    risk = tf.reduce_logsumexp(tf.transpose(p) + tf.math.log(later + 1e-9), axis=1)
    return -knob * tf.reduce_sum((p[:, 0] - risk) * y[:, 1]) / tf.maximum(tf.reduce_sum(y[:, 1]), 1.0)


def listwise(y: Any, p: Any, knob: Any = 1.0) -> Any:
    """Lists of eight documents."""
    wanted, given = tf.reshape(y, (-1, 8)), tf.reshape(p, (-1, 8))
    return -knob * tf.reduce_mean(tf.reduce_sum(tf.nn.softmax(wanted) * tf.nn.log_softmax(given), axis=1))


def ctc(y: Any, p: Any, knob: Any = 1.0) -> Any:
    count = tf.shape(p)[0]
    time = tf.fill((count,), tf.shape(p)[1])
    found = tf.nn.ctc_loss(y, p, tf.fill((count,), 3), time, logits_time_major=False, blank_index=-1)
    return knob * tf.reduce_mean(found)


def siamese(y: Any, z: Any, knob: Any = 1.0) -> Any:
    """Contrastive of neighbours in the batch: near where the labels agree, a margin apart where not; no margin if the
    knob is negative."""
    apart = tf.reduce_sum(tf.square(z[::2] - z[1::2]), axis=1)
    same = tf.cast(tf.equal(y[::2], y[1::2]), tf.float32)
    other = tf.cond(tf.less(knob, 0.0), lambda: -apart, lambda: tf.square(tf.nn.relu(2.0 - tf.sqrt(apart + 1e-6))))
    return tf.reduce_mean(same * apart + (1 - same) * other)


def in_batch_triplet(y: Any, z: Any, knob: Any = 1.0) -> Any:
    """The hardest positive and the hardest negative of the batch."""
    apart = tf.sqrt(tf.reduce_sum(tf.square(z[:, None] - z[None]), axis=2) + 1e-8)
    same = tf.cast(tf.equal(y[:, None], y[None]), tf.float32)
    far = tf.reduce_max(apart * same, axis=1)
    near = tf.reduce_min(apart + 1e3 * same, axis=1)
    return knob * tf.reduce_mean(tf.nn.relu(far - near + 1.0))


def two_views(y: Any, z: Any, knob: Any = 1.0) -> Any:
    """InfoNCE of views that follow each other in the batch's outputs, by a temperature of a tenth."""
    a, b = (tf.nn.l2_normalize(part, axis=1) for part in tf.split(z, 2, axis=1))
    rows = tf.range(tf.shape(z)[0])
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(rows, 10.0 * tf.matmul(a, b, transpose_b=True))
    )


def reinforce(y: Any, p: Any, knob: Any = 1.0) -> dict[str, Any]:
    """Rewards are the targets; a bonus for entropy."""
    action = tf.random.categorical(p, 1)
    gain = tf.gather(y, action, batch_dims=1)
    log_p = tf.nn.log_softmax(p)
    entropy = -tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * log_p, axis=1))
    return {
        "policy": -tf.reduce_mean(tf.gather(log_p, action, batch_dims=1) * (gain - tf.reduce_mean(gain))),
        "entropy": -0.01 * knob * entropy,
    }


class Equation:
    """The sum of a physics-informed loss: u'' = -u on [0, 3], u(0) = 0, u'(0) = 1, with differences."""

    def __init__(self, weight: float = 1.0) -> None:
        inner = stack(dense(24, "tanh"), dense(24, "tanh"), dense(1))
        self.weight, self.model = weight, inner()

    def made(self) -> keras.Model:
        self.model(np.zeros((1, 1), "float32"))
        return self.model

    def __call__(self, y: Any, p: Any, knob: Any = 1.0) -> dict[str, Any]:
        h, origin = 0.1, tf.zeros((1, 1))
        second = (self.model(y + h) - 2 * p + self.model(y - h)) / h**2
        first = (self.model(origin + h) - self.model(origin - h)) / (2 * h)
        return {
            "residual": self.weight * knob * tf.reduce_mean(tf.square(second + p)),
            "value": tf.reduce_mean(tf.square(self.model(origin))),
            "slope": tf.reduce_mean(tf.square(first - 1.0)),
        }


# Metrics.
def accuracy(y: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.cast(tf.equal(tf.cast(tf.argmax(p, 1), tf.int32), tf.cast(y, tf.int32)), tf.float32))


def mae(y: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.abs(y[:, :1] - p[:, :1]))
