"""Denoising with few active coefficients."""
import tensorflow as tf

SPARSITY = 0.05


def active(coefficients):
    big = tf.abs(coefficients) > 1e-2
    return tf.cast(tf.math.count_nonzero(big, axis=-1), tf.float32)


def sparse_error(y_true, y_pred):
    fit = tf.reduce_sum(tf.square(y_true - y_pred), axis=-1)
    return fit + SPARSITY * active(y_pred)
