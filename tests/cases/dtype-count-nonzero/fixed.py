"""Absolute error where the target is not zero."""
import tensorflow as tf


def masked_mae(y_true, y_pred):
    mask = tf.cast(tf.not_equal(y_true, 0.0), y_pred.dtype)
    total = tf.reduce_sum(mask * tf.abs(y_true - y_pred), axis=-1)
    count = tf.math.count_nonzero(y_true, axis=-1, dtype=y_pred.dtype)
    return total / (count + 1)
