"""Rank correlation of ten scores per query."""
import numpy as np
import tensorflow as tf


def _ranks(values):
    return np.argsort(np.argsort(values, axis=-1), axis=-1).astype(np.float32)


def spearman_loss(y_true, y_pred):
    a = tf.numpy_function(_ranks, [y_true], tf.float32)
    b = tf.numpy_function(_ranks, [y_pred], tf.float32)
    return tf.reduce_sum(tf.square(tf.reshape(a, [-1, 10]) - tf.reshape(b, [-1, 10])), axis=-1) / 990.0
