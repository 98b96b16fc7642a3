"""Residuals of physical laws on grids, without derivatives of a network."""

import tensorflow as tf
from keras import ops

DX, DT, VISCOSITY = 0.1, 0.01, 0.05


def heat_residual(y_true, y_pred):
    """Data and the heat equation, [batch, time, space]."""
    data = tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2])
    u = y_pred
    rate = (u[:, 1:, 1:-1] - u[:, :-1, 1:-1]) / DT
    curvature = (u[:, :-1, 2:] - 2.0 * u[:, :-1, 1:-1] + u[:, :-1, :-2]) / DX**2
    return data + 1e-3 * tf.reduce_mean(tf.square(rate - VISCOSITY * curvature), axis=[1, 2])


def burgers_residual(y_true, y_pred):
    slope = (tf.roll(y_pred, -1, axis=2) - tf.roll(y_pred, 1, axis=2)) / (2.0 * DX)
    rate = (y_pred[:, 1:] - y_pred[:, :-1]) / DT
    residual = rate + y_pred[:, :-1] * slope[:, :-1]
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2]) + 1e-3 * tf.reduce_mean(
        tf.square(residual), axis=[1, 2]
    )


def divergence_free(y_true, y_pred):
    data = ops.mean(ops.square(y_true - y_pred), axis=(1, 2, 3))
    du = y_pred[:, :-1, 1:, 0] - y_pred[:, :-1, :-1, 0]
    dv = y_pred[:, 1:, :-1, 1] - y_pred[:, :-1, :-1, 1]
    return data + 0.1 * ops.mean(ops.square(du + dv), axis=(1, 2))


def energy_conservation(y_true, y_pred):
    """Position and velocity of an oscillator: the energy of the prediction must not drift."""
    energy = 0.5 * tf.reduce_sum(tf.square(y_pred), axis=-1)
    drift = tf.reduce_mean(tf.abs(energy - energy[:, :1]), axis=1)
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2]) + 1e-2 * drift


def nash_sutcliffe(y_true, y_pred):
    error = tf.reduce_sum(tf.square(y_true - y_pred), axis=1)
    spread = tf.reduce_sum(tf.square(y_true - tf.reduce_mean(y_true, axis=1, keepdims=True)), axis=1)
    return error / (spread + 0.1)


def mass_balance(y_true, y_pred):
    """Fractions of a mixture add up to one."""
    return tf.reduce_mean(tf.square(y_true - y_pred), -1) + tf.square(tf.reduce_sum(y_pred, -1) - 1.0)


def spectral_angle(y_true, y_pred):
    true = tf.math.l2_normalize(y_true, axis=-1)
    pred = tf.math.l2_normalize(y_pred, axis=-1)
    cosine = tf.clip_by_value(tf.reduce_sum(true * pred, axis=-1), -1.0 + 1e-6, 1.0 - 1e-6)
    return tf.acos(cosine)
