"""Absolute error without the largest tenth."""
import numpy as np
import tensorflow as tf


def trimmed_mae(y_true, y_pred):
    error = tf.abs(y_true - y_pred)
    limit = np.percentile(error, 90)
    return tf.reduce_mean(tf.minimum(error, limit), axis=-1)
