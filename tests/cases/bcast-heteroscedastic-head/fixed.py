"""Gaussian likelihood: column 0 is the mean, column 1 the log variance."""
import tensorflow as tf


def gaussian_nll(y_true, y_pred):
    mean = y_pred[:, :1]
    log_var = tf.clip_by_value(y_pred[:, 1:], -7.0, 7.0)
    squared = tf.square(y_true - mean)
    precision = tf.exp(-log_var)
    return 0.5 * tf.reduce_mean(precision * squared + log_var, axis=-1)
