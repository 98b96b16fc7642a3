"""Pairwise hinge over the items of a list."""
import tensorflow as tf


def ranking_hinge(y_true, y_pred):
    better = tf.cast(y_true[:, :, None] > y_true[:, None, :], tf.float32)
    margin = 1.0 - (y_pred[:, :, None] - y_pred[:, None, :])
    return tf.reduce_sum(better * tf.maximum(margin, 0.0), axis=[1, 2]) / 256.0
