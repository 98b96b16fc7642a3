"""Denoising with few active coefficients."""
import tensorflow as tf

SPARSITY = 0.05


def active(coefficients):
    return tf.reduce_sum(tf.abs(coefficients), axis=-1)


def sparse_error(y_true, y_pred):
    fit = tf.reduce_sum(tf.square(y_true - y_pred), axis=-1)
    return fit + SPARSITY * active(y_pred)
