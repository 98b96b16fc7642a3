"""Rank correlation of ten scores per query."""
import tensorflow as tf


def spearman_loss(y_true, y_pred):
    steps = tf.sigmoid(y_pred[:, :, None] - y_pred[:, None, :])
    ranks = tf.reduce_sum(steps, axis=-1) - 0.5
    wanted = tf.reduce_sum(tf.cast(y_true[:, :, None] > y_true[:, None, :], y_pred.dtype), axis=-1)
    return tf.reduce_sum(tf.square(ranks - wanted), axis=-1) / 990.0
