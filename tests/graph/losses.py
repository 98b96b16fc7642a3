"""Losses as people write them, for the tests of the frontend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

SCALE = tf.Variable(tf.constant([1.0, 2.0, 3.0]))
OFFSET = tf.constant([0.5, 1.5, 2.5])


def cross_entropy(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(-y_true * ops.log(ops.clip(y_pred, 1e-7, 1.0)), axis=-1)


def one_minus(y_true: Any, y_pred: Any) -> Any:
    return -tf.reduce_sum(y_true * tf.math.log(1.0 - y_pred + 1e-7), axis=-1)


def loop(y_true: Any, y_pred: Any) -> Any:
    def body(i: Any, total: Any) -> Any:
        return i + 1, total + tf.square(y_pred - y_true)

    _, total = tf.while_loop(lambda i, _: i < 3, body, [0, tf.zeros_like(y_pred)])
    return tf.reduce_mean(total, -1)


def branch(y_true: Any, y_pred: Any) -> Any:
    return tf.cond(
        tf.reduce_sum(y_pred) > 0.0,
        lambda: tf.reduce_mean(tf.math.log(y_pred), -1),
        lambda: tf.reduce_mean(y_true - y_pred, -1),
    )


def mapped(y_true: Any, y_pred: Any) -> Any:
    return tf.map_fn(lambda pair: tf.norm(pair[0] - pair[1]), (y_true, y_pred), fn_output_signature=tf.float32)


@tf.function
def decide(x: Any) -> Any:
    if tf.reduce_sum(x) > 0.0:
        x = tf.exp(x)
    return x


def inner_function(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(decide(y_pred - y_true), -1)


@tf.function(autograph=False)
def logarithm(x: Any) -> Any:
    return tf.math.log(x)


def inner_logarithm(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(y_true * logarithm(y_pred), -1)


TRACED = logarithm.get_concrete_function(tf.TensorSpec([None, 3], tf.float32))


def traced_before(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(y_true * TRACED(y_pred), -1)


@tf.custom_gradient
def softplus(x: Any) -> Any:
    def gradient(upstream: Any) -> Any:
        return tf.sigmoid(x) * upstream

    return tf.math.softplus(x), gradient


def custom(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(softplus(-y_true * y_pred), -1)


def captured(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(SCALE * (y_pred - y_true) + OFFSET, -1)


def created(y_true: Any, y_pred: Any) -> Any:
    scale = tf.Variable(2.0)  # pyright: ignore[reportArgumentType]
    return scale * tf.reduce_mean(y_pred - y_true, -1)


def per_batch(y_true: Any, y_pred: Any) -> Any:
    rows = tf.shape(y_pred)[0]
    return tf.reduce_sum(y_pred - y_true) / tf.cast(rows * 3, tf.float32)


def few(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_sum(y_pred[: tf.minimum(tf.shape(y_pred)[0], 5)] - y_true[0])


def masked(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(tf.boolean_mask(tf.square(y_pred - y_true), y_true >= -1e9))


def guarded(y_true: Any, y_pred: Any) -> Any:
    with tf.control_dependencies([tf.debugging.assert_greater(y_pred, 1e6)]):
        y_pred = tf.identity(y_pred)
    return tf.reduce_mean(y_pred - y_true, -1)


def difference(y_true: Any, y_pred: Any) -> Any:
    return tf.square(y_true - y_pred)


def fixed_batch(y_true: Any, y_pred: Any) -> Any:
    y_true = tf.reshape(y_true, [16, 3])
    return tf.reduce_mean(tf.square(y_true - tf.reshape(y_pred, [16, 3])), -1)


def host(y_true: Any, y_pred: Any) -> Any:
    return tf.py_function(lambda a, b: tf.reduce_mean((a - b) ** 2, -1), [y_true, y_pred], tf.float32)


def similarity(y_true: Any, y_pred: Any) -> Any:
    return 1.0 - tf.image.ssim(y_true, y_pred, 1.0)


def einsum(y_true: Any, y_pred: Any) -> Any:
    return tf.einsum("bi,bj->b", y_true, y_pred)


def determinant(y_true: Any, y_pred: Any) -> Any:
    return tf.linalg.logdet(tf.matmul(y_pred, y_pred, transpose_b=True) + tf.eye(3)) + y_true[:, 0, 0]


def doubled(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def wrapper(y_true: Any, y_pred: Any) -> Any:
        return 2.0 * function(y_true, y_pred)

    return wrapper


@doubled
def decorated(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(tf.abs(y_true - y_pred), -1)


short = lambda y_true, y_pred: tf.reduce_mean(tf.square(y_true - y_pred), -1)  # noqa: E731


class Weighted(keras.losses.Loss):
    def __init__(self, weight: float = 3.0) -> None:
        super().__init__(name="weighted")
        self.weight = weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.weight * cross_entropy(y_true, y_pred)


def structured(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(tf.square(y_true["a"] - y_pred[0]), -1) + tf.reduce_mean(y_true["b"] - y_pred[1], -1)


def branches_in_python(y_true: Any, y_pred: Any) -> Any:
    if tf.reduce_sum(y_pred) > 0.0:
        return y_pred
    return y_true


def number(y_true: Any, y_pred: Any) -> Any:
    return 3.0


def nothing(y_true: Any, y_pred: Any) -> Any:
    return None
