"""Robust, relative, quantile and correlation losses of regression, one value a sample."""

import math

import keras
import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K


def huber(y_true, y_pred, delta=1.0):
    error = y_true - y_pred
    small = K.abs(error) <= delta
    return K.mean(tf.where(small, 0.5 * K.square(error), delta * (K.abs(error) - 0.5 * delta)), axis=-1)


def log_cosh(y_true, y_pred):
    error = y_pred - y_true
    return tf.reduce_mean(error + tf.math.softplus(-2.0 * error) - math.log(2.0), axis=-1)


@keras.saving.register_keras_serializable(package="healthy")
class Pinball(keras.losses.Loss):
    def __init__(self, quantile=0.9, name="pinball", **kwargs):
        super().__init__(name=name, **kwargs)
        self.quantile = quantile

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.maximum(self.quantile * error, (self.quantile - 1.0) * error), axis=-1)

    def get_config(self):
        return {**super().get_config(), "quantile": self.quantile}


def multi_quantile(y_true, y_pred):
    quantiles = tf.constant([0.1, 0.5, 0.9])
    error = y_true - y_pred
    return tf.reduce_mean(tf.maximum(quantiles * error, (quantiles - 1.0) * error), axis=-1)


def expectile(y_true, y_pred, level=0.8):
    error = y_true - y_pred
    return tf.reduce_mean(tf.abs(level - tf.cast(error < 0, tf.float32)) * tf.square(error), axis=-1)


def charbonnier(y_true, y_pred, epsilon=1e-3):
    return K.mean(K.sqrt(K.square(y_true - y_pred) + K.square(epsilon)), axis=-1)


def wing(y_true, y_pred, width=10.0, curvature=2.0):
    offset = width - width * math.log(1.0 + width / curvature)
    error = tf.abs(y_true - y_pred)
    inner = width * tf.math.log1p(error / curvature)
    return tf.reduce_sum(tf.where(width > error, inner, error - offset), axis=-1)


def adaptive_wing(y_true, y_pred, omega=14.0, theta=0.5, epsilon=1.0, alpha=2.1):
    power = alpha - y_true
    ratio = theta / epsilon
    slope = omega * (1.0 / (1.0 + tf.pow(ratio, power))) * power * tf.pow(ratio, power - 1.0) / epsilon
    offset = theta * slope - omega * tf.math.log1p(tf.pow(ratio, power))
    error = tf.abs(y_true - y_pred)
    small = error < theta
    inner = omega * tf.math.log1p(tf.pow(tf.where(small, error, theta) / epsilon, power))
    return tf.reduce_mean(tf.where(small, inner, slope * error - offset), axis=[1, 2, 3])


def squared_log_error(y_true, y_pred):
    first = K.log(K.maximum(y_pred, K.epsilon()) + 1.0)
    second = K.log(K.maximum(y_true, K.epsilon()) + 1.0)
    return K.mean(K.square(first - second), axis=-1)


def root_squared_log_error(y_true, y_pred):
    error = tf.math.log1p(y_pred) - tf.math.log1p(y_true)
    return tf.sqrt(tf.reduce_mean(tf.square(error), axis=-1) + 1e-12)


def percentage_error(y_true, y_pred):
    relative = K.abs((y_true - y_pred) / K.maximum(K.abs(y_true), K.epsilon()))
    return 100.0 * K.mean(relative, axis=-1)


def symmetric_percentage_error(y_true, y_pred, epsilon=0.1):
    total = tf.maximum(tf.abs(y_true) + tf.abs(y_pred) + epsilon, 0.5 + epsilon)
    return tf.reduce_mean(2.0 * tf.abs(y_pred - y_true) / total, axis=-1)


def cauchy(y_true, y_pred, scale=2.0):
    return ops.mean(ops.log1p(0.5 * ops.square((y_true - y_pred) / scale)), axis=-1)


def tukey_biweight(y_true, y_pred, cut=4.685):
    error = y_true - y_pred
    inside = tf.abs(error) <= cut
    rho = cut**2 / 6.0 * (1.0 - tf.pow(1.0 - tf.square(error / cut), 3.0))
    return tf.reduce_mean(tf.where(inside, rho, cut**2 / 6.0), axis=-1)


def general_robust(alpha=1.2, scale=1.0):
    """Barron's general robust loss (CVPR 2019) for an alpha other than 0 and 2."""

    def loss(y_true, y_pred):
        squared = tf.square((y_true - y_pred) / scale)
        distance = abs(alpha - 2.0)
        return tf.reduce_mean(distance / alpha * (tf.pow(squared / distance + 1.0, 0.5 * alpha) - 1.0), axis=-1)

    return loss


def masked_mse(y_true, y_pred):
    known = tf.math.is_finite(y_true)
    target = tf.where(known, y_true, tf.zeros_like(y_true))
    squared = tf.square(y_pred - target) * tf.cast(known, y_pred.dtype)
    return tf.reduce_sum(squared, axis=-1) / tf.maximum(tf.reduce_sum(tf.cast(known, y_pred.dtype), axis=-1), 1.0)


def masked_mae(y_true, y_pred):
    known = ops.logical_not(ops.isnan(y_true))
    error = ops.where(known, ops.abs(y_pred - ops.where(known, y_true, 0.0)), 0.0)
    return ops.sum(error, axis=-1) / ops.maximum(ops.sum(ops.cast(known, "float32"), axis=-1), 1.0)


def concordance(y_true, y_pred):
    true_mean = tf.reduce_mean(y_true, axis=1, keepdims=True)
    mean = tf.reduce_mean(y_pred, axis=1, keepdims=True)
    covariance = tf.reduce_mean((y_true - true_mean) * (y_pred - mean), axis=1)
    true_variance = tf.reduce_mean(tf.square(y_true - true_mean), axis=1)
    variance = tf.reduce_mean(tf.square(y_pred - mean), axis=1)
    bias = tf.square(tf.squeeze(true_mean - mean, axis=1))
    return 1.0 - 2.0 * covariance / (true_variance + variance + bias + 1e-8)


def pearson(y_true, y_pred):
    x = y_true - K.mean(y_true, axis=-1, keepdims=True)
    y = y_pred - K.mean(y_pred, axis=-1, keepdims=True)
    return 1.0 - K.sum(K.l2_normalize(x, axis=-1) * K.l2_normalize(y, axis=-1), axis=-1)


def asymmetric_mse(y_true, y_pred):
    error = y_pred - y_true
    weight = tf.where(error > 0.0, 2.0, 1.0)
    return tf.reduce_mean(weight * tf.square(error), axis=-1)


def recency_weighted(y_true, y_pred):
    steps = tf.shape(y_true)[1]
    weights = tf.exp(-0.1 * tf.cast(tf.range(steps - 1, -1, -1), y_pred.dtype))
    return tf.reduce_sum(weights * tf.abs(y_true - y_pred), axis=1) / tf.reduce_sum(weights)


def angular(y_true, y_pred):
    """Of periodic targets in radians."""
    return tf.reduce_mean(1.0 - tf.cos(y_true - y_pred), axis=-1)


def quaternion(y_true, y_pred):
    true = tf.math.l2_normalize(y_true, axis=-1, epsilon=1e-8)
    pred = tf.math.l2_normalize(y_pred, axis=-1, epsilon=1e-8)
    return 1.0 - tf.square(tf.reduce_sum(true * pred, axis=-1))


def weighted_by_bins(y_true, y_pred):
    """Rare targets count more; the bin of a target is not differentiated."""
    edges = [-1.0, 0.0, 1.0]
    weights = tf.constant([4.0, 1.0, 1.0, 4.0])
    bins = tf.searchsorted(tf.constant(edges), tf.reshape(y_true, [-1]))
    weight = tf.reshape(tf.gather(weights, bins), tf.shape(y_true))
    return tf.reduce_mean(weight * tf.square(y_true - y_pred), axis=-1)
