"""Pairwise hinge over the items of a list."""
import tensorflow as tf


def ranking_hinge(y_true, y_pred):
    total = tf.zeros_like(y_pred[:, 0])
    for i in range(16):
        for j in range(16):
            better = tf.cast(y_true[:, i] > y_true[:, j], tf.float32)
            margin = 1.0 - (y_pred[:, i] - y_pred[:, j])
            total += better * tf.maximum(margin, 0.0)
    return total / 256.0
