"""Right guards that are not the usual ones: each keeps a logarithm, root or quotient from its singular point."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import ops

FLOAT_EPS = np.finfo(np.float32).eps


class MachineEpsilonRoot(keras.losses.Loss):
    """RMSE with the machine epsilon of float32 under the root."""

    def __init__(self, eps=float(FLOAT_EPS), **kwargs):
        super().__init__(**kwargs)
        self.eps = eps

    def call(self, y_true, y_pred):
        return ops.sqrt(ops.mean(ops.square(y_true - y_pred), axis=-1) + self.eps)

    def get_config(self):
        return {**super().get_config(), "eps": self.eps}


def softmax_by_hand(y_true, y_pred):
    """Shifted by its maximum, a softmax by hand does not overflow; its sum is at least 1."""
    shifted = y_pred - ops.max(y_pred, axis=-1, keepdims=True)
    log_total = ops.log(ops.sum(ops.exp(shifted), axis=-1, keepdims=True))
    return -ops.sum(y_true * (shifted - log_total), axis=-1)


def angle_by_atan2(y_true, y_pred):
    """The angle between two vectors from sine and cosine, without acos."""
    cross = y_true[..., 0] * y_pred[..., 1] - y_true[..., 1] * y_pred[..., 0]
    dot = tf.reduce_sum(y_true * y_pred, axis=-1)
    return tf.abs(tf.atan2(cross, dot + tf.where(dot >= 0.0, 1e-3, -1e-3)))


def bounded_exponent(y_true, y_pred):
    """exp of a squashed argument."""
    log_rate = 5.0 * tf.tanh(y_pred / 5.0)
    return tf.reduce_mean(tf.exp(log_rate) - y_true * log_rate, axis=-1)


def log_odds(y_true, y_pred):
    """Log-odds of probabilities shrunk towards one half."""
    p = y_pred * 0.998 + 0.001
    odds = tf.math.log(p) - tf.math.log1p(-p)
    return tf.reduce_mean(tf.nn.softplus(odds) - y_true * odds, axis=-1)


def survival_by_log_sigmoid(y_true, y_pred):
    """The survival curve as a sum of logarithms, never as a product."""
    alive = ops.cumsum(ops.log_sigmoid(-y_pred), axis=-1)
    return -ops.sum(y_true * alive, axis=-1)


def stable_pseudo_huber(y_true, y_pred):
    """sqrt(1 + x^2) - 1 as x^2 / (sqrt(1 + x^2) + 1)."""
    x2 = tf.square(y_true - y_pred)
    return tf.reduce_mean(x2 / (tf.sqrt(1.0 + x2) + 1.0), axis=-1)


def log_cosh_by_softplus(y_true, y_pred):
    """log(cosh(x)) = |x| + softplus(-2|x|) - log 2."""
    x = ops.abs(y_true - y_pred)
    return ops.mean(x + ops.softplus(-2.0 * x) - float(np.log(2.0)), axis=-1)


def rsqrt_of_maximum(y_true, y_pred):
    """Cosine by a reciprocal root whose argument has a floor."""
    inverse = tf.math.rsqrt(tf.maximum(tf.reduce_sum(y_pred * y_pred, axis=-1), 1e-6))
    t_inverse = tf.math.rsqrt(tf.maximum(tf.reduce_sum(y_true * y_true, axis=-1), 1e-6))
    return 1.0 - tf.reduce_sum(y_true * y_pred, axis=-1) * inverse * t_inverse


def gaps_as_nan(y_true, y_pred):
    """Targets that are NaN count as the prediction itself."""
    known = tf.where(tf.math.is_nan(y_true), y_pred, y_true)
    return tf.reduce_mean(tf.square(known - y_pred), axis=-1)


def log_add(y_true, y_pred):
    """The likelihood of a mixture of two, in logarithms."""
    both = ops.logaddexp(ops.log_sigmoid(y_pred) - ops.square(y_true), ops.log_sigmoid(-y_pred) - ops.abs(y_true))
    return -ops.mean(both, axis=-1)


def double_where_kl(y_true, y_pred):
    """p log p with the argument replaced where p is 0, in a helper."""

    def log_or_zero(p):
        positive = p > 0.0
        return tf.where(positive, tf.math.log(tf.where(positive, p, tf.ones_like(p))), tf.zeros_like(p))

    return tf.reduce_sum(y_true * (log_or_zero(y_true) - tf.nn.log_softmax(y_pred)), axis=-1)


def entropy_by_xlogy(y_true, y_pred):
    """Label entropy by xlogy, cross-entropy by the fused operation."""
    entropy = -tf.reduce_sum(tf.math.xlogy(y_true, y_true), axis=-1)
    return tf.nn.softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred) - entropy


def gradient_difference(y_true, y_pred):
    """Image gradients compared in absolute value."""
    dy_t, dx_t = tf.image.image_gradients(y_true)
    dy_p, dx_p = tf.image.image_gradients(y_pred)
    return tf.reduce_mean(tf.abs(dy_t - dy_p) + tf.abs(dx_t - dx_p), axis=[1, 2, 3])


def sinkhorn_in_logarithms(y_true, y_pred):
    """Three rounds of Sinkhorn's iteration in the log domain."""
    grid = np.arange(5, dtype="float32")
    cost = np.square(grid[:, None] - grid[None, :]) / 16.0
    log_a, log_b = tf.math.log(y_true + 1e-6), tf.math.log(y_pred + 1e-6)
    g = tf.zeros_like(log_b)
    for _ in range(3):
        f = log_a - tf.reduce_logsumexp(g[:, None, :] - cost / 0.1, axis=2)
        g = log_b - tf.reduce_logsumexp(f[:, :, None] - cost / 0.1, axis=1)
    plan = tf.exp(f[:, :, None] + g[:, None, :] - cost / 0.1)
    return tf.reduce_sum(plan * cost, axis=[1, 2])


def normalised_by_peak(y_true, y_pred):
    """Divided by the larger of the peak and one hundredth."""
    peak = tf.reduce_max(y_pred, axis=-1, keepdims=True)
    return tf.reduce_mean(tf.abs(y_true - y_pred / tf.math.maximum(peak, 0.01)), axis=-1)


def power_of_shifted(y_true, y_pred):
    """A fractional power of one plus something that is not negative."""
    return tf.reduce_mean((1.0 + tf.abs(y_true - y_pred)) ** 0.5, axis=-1)
