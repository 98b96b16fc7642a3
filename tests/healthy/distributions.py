"""Negative log-likelihoods."""

import math

import keras
import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K


def gaussian_nll(y_true, y_pred):
    mean = y_pred[:, 0:1]
    deviation = tf.nn.softplus(y_pred[:, 1:2]) + 1e-3
    return tf.reduce_sum(
        0.5 * math.log(2.0 * math.pi) + tf.math.log(deviation) + 0.5 * tf.square((y_true - mean) / deviation), axis=-1
    )


def heteroscedastic(y_true, y_pred):
    mean, log_variance = y_pred[..., :1], K.clip(y_pred[..., 1:], -10.0, 10.0)
    return K.mean(0.5 * K.exp(-log_variance) * K.square(y_true - mean) + 0.5 * log_variance, axis=-1)


def beta_nll(y_true, y_pred, beta=0.5):
    mean, variance = y_pred[:, :1], tf.nn.softplus(y_pred[:, 1:]) + 1e-6
    nll = 0.5 * (tf.square(y_true - mean) / variance + tf.math.log(variance))
    return tf.reduce_mean(nll * tf.stop_gradient(tf.pow(variance, beta)), axis=-1)


def laplace_nll(y_true, y_pred):
    place, scale = y_pred[:, :1], ops.softplus(y_pred[:, 1:]) + 1e-3
    return ops.sum(ops.abs(y_true - place) / scale + ops.log(2.0 * scale), axis=-1)


def mixture_density():
    def loss(y_true, y_pred):
        logits, means, spreads = tf.split(y_pred, 3, axis=-1)
        deviations = tf.nn.softplus(spreads) + 1e-2
        log_weights = tf.nn.log_softmax(logits, axis=-1)
        z = (y_true - means) / deviations
        log_density = -0.5 * tf.square(z) - tf.math.log(deviations) - 0.5 * math.log(2.0 * math.pi)
        return -tf.reduce_logsumexp(log_weights + log_density, axis=-1)

    return loss


def student_t_nll(y_true, y_pred, freedom=4.0):
    place, scale = y_pred[:, 0], tf.nn.softplus(y_pred[:, 1]) + 1e-3
    z = (y_true[:, 0] - place) / scale
    constant = math.lgamma((freedom + 1.0) / 2.0) - math.lgamma(freedom / 2.0) - 0.5 * math.log(freedom * math.pi)
    return -constant + tf.math.log(scale) + 0.5 * (freedom + 1.0) * tf.math.log1p(tf.square(z) / freedom)


def poisson_nll(y_true, y_pred):
    return K.mean(y_pred - y_true * K.log(y_pred + K.epsilon()), axis=-1)


def negative_binomial(y_true, y_pred):
    mean, dispersion = y_pred[:, 0], y_pred[:, 1]
    counts = y_true[:, 0]
    eps = 1e-10
    first = tf.math.lgamma(dispersion + eps) + tf.math.lgamma(counts + 1.0) - tf.math.lgamma(counts + dispersion + eps)
    second = (dispersion + counts) * tf.math.log(1.0 + mean / (dispersion + eps)) + counts * (
        tf.math.log(dispersion + eps) - tf.math.log(mean + eps)
    )
    return first + second


def zero_inflated_poisson(y_true, y_pred):
    rate = tf.nn.softplus(y_pred[:, 0]) + 1e-6
    logit = y_pred[:, 1]
    count = y_true[:, 0]
    log_zero, log_other = tf.math.log_sigmoid(logit), tf.math.log_sigmoid(-logit)
    zero = tf.reduce_logsumexp(tf.stack([log_zero, log_other - rate], axis=-1), axis=-1)
    other = log_other - rate + count * tf.math.log(rate) - tf.math.lgamma(count + 1.0)
    return -tf.where(count < 0.5, zero, other)


def tweedie(y_true, y_pred, power=1.5):
    first = y_true * K.pow(y_pred, 1.0 - power) / (1.0 - power)
    second = K.pow(y_pred, 2.0 - power) / (2.0 - power)
    return K.mean(second - first, axis=-1)


def gamma_deviance(y_true, y_pred):
    ratio = y_true / y_pred
    return 2.0 * tf.reduce_mean(ratio - 1.0 - tf.math.log(ratio), axis=-1)


def gaussian_crps(y_true, y_pred):
    mean, deviation = y_pred[:, 0], tf.nn.softplus(y_pred[:, 1]) + 1e-3
    z = (y_true[:, 0] - mean) / deviation
    density = tf.exp(-0.5 * tf.square(z)) / math.sqrt(2.0 * math.pi)
    cumulative = 0.5 * (1.0 + tf.math.erf(z / math.sqrt(2.0)))
    return deviation * (z * (2.0 * cumulative - 1.0) + 2.0 * density - 1.0 / math.sqrt(math.pi))


def evidential_regression(y_true, y_pred, weight=0.01):
    """Normal-inverse-gamma evidence (Amini et al. 2020)."""
    gamma = y_pred[:, 0]
    v, alpha, beta = (tf.nn.softplus(y_pred[:, i]) + 1e-3 for i in (1, 2, 3))
    alpha = alpha + 1.0
    error = y_true[:, 0] - gamma
    omega = 2.0 * beta * (1.0 + v)
    nll = (
        0.5 * tf.math.log(math.pi / v)
        - alpha * tf.math.log(omega)
        + (alpha + 0.5) * tf.math.log(v * tf.square(error) + omega)
        + tf.math.lgamma(alpha)
        - tf.math.lgamma(alpha + 0.5)
    )
    return nll + weight * tf.abs(error) * (2.0 * v + alpha)


@keras.saving.register_keras_serializable(package="healthy")
class MultivariateNormal(keras.losses.Loss):
    """Diagonal and one correlation of a plane: mean (2), spreads (2), correlation (1)."""

    def call(self, y_true, y_pred):
        mean, spread = y_pred[:, :2], tf.nn.softplus(y_pred[:, 2:4]) + 1e-2
        rho = 0.95 * tf.tanh(y_pred[:, 4])
        z = (y_true - mean) / spread
        zx, zy = z[:, 0], z[:, 1]
        left = 1.0 - tf.square(rho)
        mahalanobis = (tf.square(zx) - 2.0 * rho * zx * zy + tf.square(zy)) / left
        return 0.5 * mahalanobis + tf.reduce_sum(tf.math.log(spread), axis=1) + 0.5 * tf.math.log(left)
