"""Squared error."""
import tensorflow as tf


def double_mse(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
