"""Losses whose gradient is not the derivative of their value, in the ways in which people get it wrong.

`WRONG` has the wrong ones by name: 24 custom gradients, and 10 stop_gradients that cut a part which matters.
`gradient_seeds.py` counts for how many seeds each passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Function = Callable[[Any], Any]
Loss = Callable[[Any, Any], Any]


def _custom(value: Function, gradient: Callable[[Any, Any], Any]) -> Loss:
    """The mean over the outputs of a function of the error, with a gradient of its own: gradient(upstream, x)."""

    @tf.custom_gradient
    def function(x: Any) -> Any:
        return value(x), lambda upstream: gradient(upstream, x)

    return lambda t, p: tf.reduce_mean(function(p - t), axis=-1)


def _softplus(x: Any) -> Any:
    return tf.math.softplus(x)


def _huber(x: Any) -> Any:
    size = tf.abs(x)
    return tf.where(size <= 1.0, 0.5 * x * x, size - 0.5)


def _smooth_abs(x: Any) -> Any:
    return tf.sqrt(x * x + 0.01)


_CUSTOM: dict[str, Loss] = {
    "no-upstream": _custom(_softplus, lambda u, x: tf.sigmoid(x)),
    "upstream-twice": _custom(_softplus, lambda u, x: u * u * tf.sigmoid(x)),
    "upstream-added": _custom(_softplus, lambda u, x: u + tf.sigmoid(x)),
    "upstream-sign": _custom(_softplus, lambda u, x: tf.sign(u) * tf.sigmoid(x)),
    "upstream-mean": _custom(_softplus, lambda u, x: tf.reduce_mean(u) * tf.sigmoid(x)),
    "other-sign": _custom(_softplus, lambda u, x: -u * tf.sigmoid(x)),
    "factor-two": _custom(tf.square, lambda u, x: u * x),
    "factor-slight": _custom(tf.square, lambda u, x: u * 2.1 * x),
    "value-for-slope": _custom(tf.square, lambda u, x: u * tf.square(x)),
    "shifted-slope": _custom(_softplus, lambda u, x: u * tf.sigmoid(x + 0.3)),
    "scaled-argument": _custom(_softplus, lambda u, x: u * tf.sigmoid(2.0 * x)),
    "absolute-slope": _custom(tf.square, lambda u, x: u * 2.0 * tf.abs(x)),
    "sign-for-slope": _custom(_smooth_abs, lambda u, x: u * tf.sign(x)),
    "missing-inner": _custom(lambda x: tf.sin(3.0 * x), lambda u, x: u * tf.cos(3.0 * x)),
    "inner-twice": _custom(lambda x: tf.exp(-0.5 * x * x), lambda u, x: -2.0 * u * x * tf.exp(-0.5 * x * x)),
    "branch-exchanged": _custom(_huber, lambda u, x: u * tf.where(tf.abs(x) <= 1.0, tf.sign(x), x)),
    "branch-signed": _custom(_huber, lambda u, x: u * tf.where(x <= 1.0, x, tf.sign(x))),
    "branch-lost": _custom(_huber, lambda u, x: u * tf.clip_by_value(x, -0.5, 0.5)),
    "clipped-slope": _custom(tf.square, lambda u, x: tf.clip_by_value(u * 2.0 * x, -0.5, 0.5)),
    "masked-slope": _custom(tf.square, lambda u, x: tf.where(x > 0, u * 2.0 * x, tf.zeros_like(x))),
    "tanh-for-sech": _custom(tf.tanh, lambda u, x: u * (1.0 - tf.tanh(x))),
    "sigmoid-half": _custom(tf.sigmoid, lambda u, x: u * tf.sigmoid(x)),
    "log-wrong-base": _custom(lambda x: tf.math.log1p(x * x) / 0.693147, lambda u, x: u * 2.0 * x / (1.0 + x * x)),
    "reversed-order": _custom(tf.square, lambda u, x: tf.reverse(u * 2.0 * x, [-1])),
}


def _s(x: Any) -> Any:
    return tf.stop_gradient(x)


_STOPPED: dict[str, Loss] = {
    "prediction-in-product": lambda t, p: tf.reduce_mean(_s(p - t) * (p - t), axis=-1),
    "normaliser": lambda t, p: tf.reduce_mean((p - t) ** 2, axis=-1) / (1.0 + _s(tf.reduce_mean(p * p, axis=-1))),
    "softmax-denominator": lambda t, p: tf.reduce_mean(_s(tf.reduce_logsumexp(p, -1, keepdims=True)) - t * p, axis=-1),
    "half-of-the-outputs": lambda t, p: tf.reduce_mean((tf.concat([_s(p[:, :2]), p[:, 2:]], -1) - t) ** 2, axis=-1),
    "weight-of-the-error": lambda t, p: tf.reduce_mean(_s(tf.exp(-tf.abs(p - t) / 3)) * (p - t) ** 2, axis=-1),
    "second-term": lambda t, p: tf.reduce_mean((p - t) ** 2 + _s(0.5 * p * p), axis=-1),
    "focal-weight": lambda t, p: tf.reduce_mean(_s(tf.sigmoid(-t * p)) ** 2 * tf.math.softplus(-t * p), axis=-1),
    "mean-of-the-outputs": lambda t, p: tf.reduce_mean((p - _s(tf.reduce_mean(p, -1, keepdims=True)) - t) ** 2, -1),
    "inside-a-root": lambda t, p: tf.sqrt(tf.reduce_mean((p - t) * _s(p - t), axis=-1) + 0.1),
    "scale-of-the-norm": lambda t, p: tf.reduce_mean(
        (p / _s(tf.norm(p, axis=-1, keepdims=True) + 0.1) - t) ** 2, axis=-1
    ),
}
WRONG: dict[str, Loss] = {**_CUSTOM, **_STOPPED}


def _h(function: Callable[[Any, Any], Any]) -> Loss:
    return lambda t, p: tf.reduce_mean(function(t, p), axis=-1)


_SOFT = tf.math.softplus
HEALTHY: dict[str, Loss] = {
    "square": _h(lambda t, p: (t - p) ** 2),
    "absolute": _h(lambda t, p: tf.abs(t - p)),
    "huber": _h(lambda t, p: _huber(t - p)),
    "quantile": _h(lambda t, p: tf.maximum(0.9 * (t - p), -0.1 * (t - p))),
    "epsilon-insensitive": _h(lambda t, p: tf.nn.relu(tf.abs(t - p) - 0.3)),
    "clipped-error": _h(lambda t, p: tf.clip_by_value(t - p, -1.0, 1.0) ** 2),
    "clipped-prediction": _h(lambda t, p: (t - tf.clip_by_value(p, -0.5, 0.5)) ** 2),
    "offset-million": _h(lambda t, p: (t - p) ** 2 + 1e6),
    "offset-negative": _h(lambda t, p: tf.abs(t - p) - 1e6),
    "tiny": _h(lambda t, p: 1e-6 * (t - p) ** 2),
    "large": _h(lambda t, p: 1e6 * (t - p) ** 2),
    "log-cosh": _h(lambda t, p: tf.abs(t - p) + _SOFT(-2 * tf.abs(t - p))),
    "pseudo-huber": _h(lambda t, p: tf.sqrt(1.0 + (t - p) ** 2) - 1.0),
    "charbonnier": _h(lambda t, p: tf.sqrt((t - p) ** 2 + 1e-6)),
    "hinge": _h(lambda t, p: tf.nn.relu(1.0 - t * p)),
    "squared-hinge": _h(lambda t, p: tf.nn.relu(1.0 - t * p) ** 2),
    "logistic": _h(lambda t, p: _SOFT(-t * p)),
    "cauchy": _h(lambda t, p: tf.math.log1p((t - p) ** 2)),
    "welsch": _h(lambda t, p: 1.0 - tf.exp(-0.5 * (t - p) ** 2)),
    "tukey": _h(lambda t, p: tf.where(tf.abs(t - p) < 2.0, 1.0 - (1.0 - ((t - p) / 2.0) ** 2) ** 3, tf.ones_like(p))),
    "wing": _h(
        lambda t, p: tf.where(tf.abs(t - p) < 1.0, tf.math.log1p(tf.abs(t - p) * 2.0), tf.abs(t - p) - 1.0 + 1.0986123)
    ),
    "steps-of-slope": _h(lambda t, p: tf.nn.relu(p) + 2.0 * tf.nn.relu(p - 1.0) + 0.5 * tf.nn.relu(-p - 1.0)),
    "leaky": _h(lambda t, p: tf.nn.leaky_relu(t - p) ** 2),
    "minimum": _h(lambda t, p: tf.minimum((t - p) ** 2, tf.abs(t - p))),
    "maximum-of-outputs": lambda t, p: tf.reduce_max(tf.abs(t - p), axis=-1),
    "sorted": lambda t, p: tf.reduce_mean(tf.abs(tf.sort(t, axis=-1) - tf.sort(p, axis=-1)), axis=-1),
    "top-two": lambda t, p: tf.reduce_sum(tf.math.top_k((t - p) ** 2, 2).values, axis=-1),
    "norm": lambda t, p: tf.norm(t - p, axis=-1),
    "root-of-mean": lambda t, p: tf.sqrt(tf.reduce_mean((t - p) ** 2, axis=-1)),
    "cosine": lambda t, p: 1.0 - tf.reduce_sum(tf.nn.l2_normalize(t, -1) * tf.nn.l2_normalize(p, -1), axis=-1),
    "softmax": lambda t, p: tf.reduce_logsumexp(p, -1) - tf.reduce_sum(tf.nn.softmax(t) * p, axis=-1),
    "variance": lambda t, p: tf.math.reduce_variance(p - t, axis=-1),
    "total-variation": lambda t, p: tf.reduce_mean(tf.abs(p[:, 1:] - p[:, :-1]), -1) + tf.reduce_mean((p - t) ** 2, -1),
    "gated": _h(lambda t, p: tf.where(p > t, 3.0 * (p - t), (t - p) ** 2)),
    "jump": _h(lambda t, p: tf.where(p > 0.2, (t - p) ** 2 + 1.0, (t - p) ** 2)),
    "straight": _h(lambda t, p: p - t),
    "sines": _h(lambda t, p: tf.sin(3.0 * p) * t),
    "exponential": _h(lambda t, p: tf.exp(tf.abs(t - p))),
    "elastic": _h(lambda t, p: (t - p) ** 2 + 0.1 * tf.abs(p)),
    "guarded-division": _h(lambda t, p: tf.abs(t - p) / tf.maximum(tf.abs(t) + tf.abs(p), 1e-7)),
    "correct-custom": _custom(_softplus, lambda u, x: u * tf.sigmoid(x)),
    "correct-custom-branches": _custom(_huber, lambda u, x: u * tf.clip_by_value(x, -1.0, 1.0)),
    "target-stopped": _h(lambda t, p: (_s(t) - p) ** 2),
    "batch-coupled": lambda t, p: tf.reduce_mean((p - t) ** 2) + tf.reduce_mean(p) ** 2,
}
