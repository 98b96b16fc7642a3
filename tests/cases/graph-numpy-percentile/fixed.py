"""Absolute error without the largest of ten."""
import tensorflow as tf


def trimmed_mae(y_true, y_pred):
    error = tf.abs(y_true - y_pred)
    smallest = -tf.nn.top_k(-error, k=9).values
    return tf.reduce_mean(smallest, axis=-1)
