"""Absolute error without the first two hours."""
import tensorflow as tf


def masked_abs(y_true, y_pred):
    error = tf.abs(y_true - y_pred)
    return tf.reduce_mean(error[:, 2:], axis=-1)
