"""The losses of `keras.losses` written out by hand, each step visible and each guard in its place.

`reexpressed.toml` says what they are given. They are healthy: what lossdoctor says of them is a false alarm, and
`benchmarks/mutants.py` takes their guards away one by one.
"""

import math

import tensorflow as tf
from keras import ops

EPSILON = 1e-7


def mean_absolute_percentage_error(y_true, y_pred):
    scale = tf.maximum(tf.abs(y_true), 1e-2)
    return 100.0 * tf.reduce_mean(tf.abs(y_true - y_pred) / scale, axis=-1)


def mean_squared_logarithmic_error(y_true, y_pred):
    first = tf.math.log1p(tf.maximum(y_pred, EPSILON))
    second = tf.math.log1p(tf.maximum(y_true, EPSILON))
    return tf.reduce_mean(tf.square(first - second), axis=-1)


def huber(y_true, y_pred, delta=1.0):
    error = tf.abs(y_true - y_pred)
    return tf.reduce_mean(tf.where(error <= delta, 0.5 * error**2, delta * error - 0.5 * delta**2), axis=-1)


def log_cosh(y_true, y_pred):
    error = tf.abs(y_pred - y_true)
    return tf.reduce_mean(error + tf.math.log1p(tf.exp(-2.0 * error)) - math.log(2.0), axis=-1)


def log_cosh_softplus(y_true, y_pred):
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(-2.0 * error) - math.log(2.0), axis=-1)


def cosine_similarity(y_true, y_pred):
    true = y_true / tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(y_true), axis=-1, keepdims=True), 1e-12))
    pred = y_pred / tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(y_pred), axis=-1, keepdims=True), 1e-12))
    return -tf.reduce_sum(true * pred, axis=-1)


def cosine_normalised(y_true, y_pred):
    return -tf.reduce_sum(tf.math.l2_normalize(y_true, axis=-1) * tf.math.l2_normalize(y_pred, axis=-1), axis=-1)


def squared_hinge(y_true, y_pred):
    return tf.reduce_mean(tf.square(tf.maximum(1.0 - y_true * y_pred, 0.0)), axis=-1)


def poisson(y_true, y_pred):
    return ops.mean(y_pred - y_true * ops.log(y_pred + EPSILON), axis=-1)


def kl_divergence(y_true, y_pred):
    true = tf.clip_by_value(y_true, EPSILON, 1.0)
    pred = tf.clip_by_value(y_pred, EPSILON, 1.0)
    return tf.reduce_sum(true * tf.math.log(true / pred), axis=-1)


def kl_divergence_xlogy(y_true, y_pred):
    pred = tf.maximum(y_pred, EPSILON)
    return tf.reduce_sum(tf.math.xlogy(y_true, y_true) - tf.math.xlogy(y_true, pred), axis=-1)


def binary_crossentropy(y_true, y_pred):
    p = tf.clip_by_value(y_pred, EPSILON, 1.0 - EPSILON)
    return -tf.reduce_mean(y_true * tf.math.log(p) + (1.0 - y_true) * tf.math.log(1.0 - p), axis=-1)


def binary_crossentropy_added(y_true, y_pred):
    yes = y_true * tf.math.log(y_pred + EPSILON)
    no = (1.0 - y_true) * tf.math.log(1.0 - y_pred + EPSILON)
    return -tf.reduce_mean(yes + no, axis=-1)


def binary_crossentropy_logits(y_true, y_pred):
    rest = tf.math.log1p(tf.exp(-tf.abs(y_pred)))
    return tf.reduce_mean(tf.maximum(y_pred, 0.0) - y_pred * y_true + rest, axis=-1)


def binary_crossentropy_log_sigmoid(y_true, y_pred):
    yes, no = tf.math.log_sigmoid(y_pred), tf.math.log_sigmoid(-y_pred)
    return -tf.reduce_mean(y_true * yes + (1.0 - y_true) * no, axis=-1)


def binary_focal_crossentropy(y_true, y_pred, gamma=2.0):
    p = ops.clip(y_pred, EPSILON, 1.0 - EPSILON)
    p_t = y_true * p + (1.0 - y_true) * (1.0 - p)
    entropy = -ops.log(p_t)
    return ops.mean(ops.power(1.0 - p_t, gamma) * entropy, axis=-1)


def binary_focal_logits(y_true, y_pred, gamma=2.0):
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)
    wrong = y_true * tf.sigmoid(-y_pred) + (1.0 - y_true) * tf.sigmoid(y_pred)
    return tf.reduce_mean(tf.pow(wrong, gamma) * entropy, axis=-1)


def categorical_crossentropy(y_true, y_pred):
    p = y_pred / tf.reduce_sum(y_pred, axis=-1, keepdims=True)
    return -tf.reduce_sum(y_true * tf.math.log(tf.clip_by_value(p, EPSILON, 1.0 - EPSILON)), axis=-1)


def categorical_crossentropy_logits(y_true, y_pred):
    return -tf.reduce_sum(y_true * tf.nn.log_softmax(y_pred, axis=-1), axis=-1)


def categorical_crossentropy_shifted(y_true, y_pred):
    largest = tf.reduce_max(y_pred, axis=-1, keepdims=True)
    shifted = y_pred - tf.stop_gradient(largest)
    total = tf.math.log(tf.reduce_sum(tf.exp(shifted), axis=-1, keepdims=True))
    return tf.reduce_sum(y_true * (total - shifted), axis=-1)


def categorical_crossentropy_logsumexp(y_true, y_pred):
    total = ops.logsumexp(y_pred, axis=-1)
    return total - ops.sum(y_true * y_pred, axis=-1)


def categorical_focal_crossentropy(y_true, y_pred, gamma=2.0):
    p = tf.maximum(y_pred, EPSILON)
    weight = tf.pow(tf.maximum(1.0 - p, 0.0), gamma)
    return -tf.reduce_sum(y_true * weight * tf.math.log(p), axis=-1)


def generalised_crossentropy(y_true, y_pred, q=0.5):
    right = tf.reduce_sum(y_true * y_pred, axis=-1)
    return (1.0 - tf.pow(tf.maximum(right, EPSILON), q)) / q


def dice(y_true, y_pred):
    overlap = tf.reduce_sum(y_true * y_pred, axis=[1, 2, 3])
    total = tf.reduce_sum(y_true + y_pred, axis=[1, 2, 3])
    return 1.0 - (2.0 * overlap + 1e-3) / (total + 1e-3)


def dice_no_nan(y_true, y_pred):
    overlap = tf.reduce_sum(y_true * y_pred, axis=[1, 2, 3])
    total = tf.reduce_sum(tf.square(y_true) + tf.square(y_pred), axis=[1, 2, 3])
    return 1.0 - tf.math.divide_no_nan(2.0 * overlap, total)


def tversky(y_true, y_pred, alpha=0.3, beta=0.7):
    right = tf.reduce_sum(y_true * y_pred, axis=[1, 2, 3])
    extra = tf.reduce_sum((1.0 - y_true) * y_pred, axis=[1, 2, 3])
    lacking = tf.reduce_sum(y_true * (1.0 - y_pred), axis=[1, 2, 3])
    return 1.0 - right / tf.maximum(right + alpha * extra + beta * lacking, 1e-3)


def masked_mean_absolute_error(y_true, y_pred):
    known = tf.logical_not(tf.math.is_nan(y_true))
    error = tf.where(known, tf.abs(y_pred - tf.where(known, y_true, 0.0)), 0.0)
    count = tf.reduce_sum(tf.cast(known, tf.float32), axis=-1)
    return tf.reduce_sum(error, axis=-1) / tf.maximum(count, 1.0)


def root_mean_squared_error(y_true, y_pred):
    return tf.sqrt(tf.reduce_mean(tf.square(y_true - y_pred), axis=-1) + 1e-12)


def euclidean_distance(y_true, y_pred):
    squared = tf.reduce_sum(tf.square(y_true - y_pred), axis=-1)
    return tf.sqrt(tf.maximum(squared, 1e-12))


def gaussian_likelihood(y_true, y_pred):
    mean, raw = tf.split(y_pred, 2, axis=-1)
    variance = tf.nn.softplus(raw) + 1e-3
    return tf.reduce_mean(0.5 * tf.math.log(variance) + 0.5 * tf.square(y_true - mean) / variance, axis=-1)


def gaussian_log_variance(y_true, y_pred):
    mean, raw = tf.split(y_pred, 2, axis=-1)
    log_variance = tf.clip_by_value(raw, -10.0, 10.0)
    return 0.5 * tf.reduce_mean(log_variance + tf.square(y_true - mean) * tf.exp(-log_variance), axis=-1)


def correlation(y_true, y_pred):
    true = y_true - tf.reduce_mean(y_true, axis=-1, keepdims=True)
    pred = y_pred - tf.reduce_mean(y_pred, axis=-1, keepdims=True)
    scale = tf.sqrt(tf.reduce_sum(tf.square(true), axis=-1) * tf.reduce_sum(tf.square(pred), axis=-1) + 1e-6)
    return 1.0 - tf.reduce_sum(true * pred, axis=-1) / scale


def spread_difference(y_true, y_pred):
    true = tf.sqrt(tf.math.reduce_variance(y_true, axis=-1) + 1e-6)
    pred = tf.sqrt(tf.math.reduce_variance(y_pred, axis=-1) + 1e-6)
    return tf.abs(tf.math.log(true) - tf.math.log(pred))


def survival(y_true, y_pred):
    """Exponential hazard with log-rate `y_pred`: -log of 1 - exp(-rate) for events."""
    rate = tf.exp(tf.clip_by_value(y_pred, -8.0, 4.0))
    event = -tf.math.log(-tf.math.expm1(-rate))
    return tf.reduce_mean(y_true * event + (1.0 - y_true) * rate, axis=-1)


def power_error(y_true, y_pred, exponent=1.5):
    return tf.reduce_mean(tf.pow(tf.abs(y_true - y_pred) + 1e-6, exponent), axis=-1)


def relative_error(y_true, y_pred):
    error = tf.abs(y_true - y_pred)
    return tf.reduce_mean(error / (tf.abs(y_true) + tf.abs(y_pred) + 1e-3), axis=-1)


def masked_log_error(y_true, y_pred):
    known = y_true > 0.0
    ratio = tf.math.log(tf.where(known, y_true, 1.0)) - y_pred
    return tf.reduce_mean(tf.where(known, tf.square(ratio), 0.0), axis=-1)


def bounded_atanh(y_true, y_pred):
    p = tf.clip_by_value(y_pred, -0.999, 0.999)
    return tf.reduce_mean(tf.square(tf.atanh(p) - y_true), axis=-1)


def angle(y_true, y_pred):
    true = tf.math.l2_normalize(y_true, axis=-1, epsilon=1e-6)
    pred = tf.math.l2_normalize(y_pred, axis=-1, epsilon=1e-6)
    return tf.acos(tf.clip_by_value(tf.reduce_sum(true * pred, axis=-1), -0.999, 0.999))
