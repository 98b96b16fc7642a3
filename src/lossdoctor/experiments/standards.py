"""The standard losses of the tasks, by name, for predictions in any float dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lossdoctor.experiments.scenarios import levels
from lossdoctor.graph.untyped_tf import tf

Loss = Callable[[Any, Any], Any]


def standard(name: str) -> Loss:
    """The standard loss of a task.

    Args:
        name: its name, and the convention of the task after it.
    """
    kind, _, convention = name.partition(" ")
    own: dict[str, Callable[[str], Loss]] = {
        "pinball": _pinball, "gaussian": _gaussian, "ordinal": _ordinal, "cox": _cox, "padded": _padded(False),
        "padded_logits": _padded(True),
    }  # fmt: skip
    return own[kind](convention) if kind in own else _of_keras()[kind]


def _of_keras() -> dict[str, Loss]:
    import keras

    losses = keras.losses

    def same(function: Any, **options: Any) -> Loss:
        def loss(y_true: Any, y_pred: Any) -> Any:
            y_true = tf.reshape(tf.cast(y_true, y_pred.dtype), tf.shape(y_pred))
            return function(y_true, y_pred, **options)

        return loss

    def sparse(y_true: Any, y_pred: Any, logits: bool) -> Any:
        labels = tf.reshape(tf.cast(y_true, tf.int32), tf.shape(y_pred)[:-1])
        return losses.sparse_categorical_crossentropy(labels, y_pred, from_logits=logits)

    return {
        "mse": same(losses.mean_squared_error),
        "mae": same(losses.mean_absolute_error),
        "bce": same(losses.binary_crossentropy),
        "bce_logits": same(losses.binary_crossentropy, from_logits=True),
        "ce": same(losses.categorical_crossentropy),
        "ce_logits": same(losses.categorical_crossentropy, from_logits=True),
        "sparse_ce": lambda t, p: sparse(t, p, False),
        "sparse_ce_logits": lambda t, p: sparse(t, p, True),
        "hinge": same(losses.hinge),
        "poisson": same(losses.poisson),
        "poisson_log": same(lambda t, p: tf.reduce_mean(tf.exp(p) - t * p, axis=-1)),
    }


def _last(y_true: Any, y_pred: Any) -> Any:
    """The targets with an axis of one at the end, beside several predictions for each."""
    return tf.reshape(tf.cast(y_true, y_pred.dtype), tf.concat([tf.shape(y_pred)[:-1], [1]], axis=0))


def _pinball(convention: str) -> Loss:
    def loss(y_true: Any, y_pred: Any) -> Any:
        found = levels(y_pred.shape[-1])
        wanted = tf.constant(found[::-1] if convention == "falling" else found, y_pred.dtype)
        error = _last(y_true, y_pred) - y_pred
        return tf.reduce_mean(tf.maximum(wanted * error, (wanted - 1) * error), axis=-1)

    return loss


def _gaussian(convention: str) -> Loss:
    def loss(y_true: Any, y_pred: Any) -> Any:
        mean, scale = (y_pred[..., :1], y_pred[..., 1:])[:: 1 if convention.endswith("first") else -1]
        log_variance = scale if convention.startswith("log variance") else 2 * scale
        return 0.5 * (log_variance + tf.square(_last(y_true, y_pred) - mean) * tf.exp(-log_variance))

    return loss


def _ordinal(convention: str) -> Loss:
    """The cross-entropy of each threshold (Frank and Hall, A simple approach to ordinal classification, 2001)."""

    def loss(y_true: Any, y_pred: Any) -> Any:
        above = tf.cast(_last(y_true, y_pred) > tf.range(tf.cast(y_pred.shape[-1], y_pred.dtype)), y_pred.dtype)
        above = 1 - above if convention.startswith("at most") else above
        if not convention.endswith("unit"):
            return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(above, y_pred), axis=-1)
        sure = tf.clip_by_value(y_pred, 1e-6, 1 - 1e-6)
        return -tf.reduce_mean(above * tf.math.log(sure) + (1 - above) * tf.math.log(1 - sure), axis=-1)

    return loss


def _cox(convention: str) -> Loss:
    """Cox's partial likelihood (Regression models and life-tables, 1972), without ties."""

    def loss(y_true: Any, y_pred: Any) -> Any:
        first, last = (tf.cast(y_true[:, k], y_pred.dtype) for k in (0, 1))
        times, seen = (first, last) if convention.startswith("time first") else (last, first)
        risk = tf.reshape(y_pred, [-1]) * (1.0 if convention.endswith("risk") else -1.0)
        later = times[None, :] >= times[:, None]
        among = tf.reduce_logsumexp(tf.where(later, risk[None, :], tf.cast(-1e9, risk.dtype)), axis=1)
        return tf.reduce_sum(seen * (among - risk)) / tf.maximum(tf.reduce_sum(seen), 1.0)

    return loss


def _padded(logits: bool) -> Callable[[str], Loss]:
    def loss(y_true: Any, y_pred: Any) -> Any:
        labels = tf.reshape(tf.cast(y_true, tf.int32), tf.shape(y_pred)[:-1])
        found = y_pred if logits else tf.math.log(tf.maximum(y_pred, 1e-7))
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, found)
        real = tf.cast(labels > 0, y_pred.dtype)
        return tf.reduce_sum(real * each, axis=-1) / tf.maximum(tf.reduce_sum(real, axis=-1), 1.0)

    return lambda convention: loss
