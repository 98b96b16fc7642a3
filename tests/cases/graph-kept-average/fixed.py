"""Errors in units of their running average, which a callback updates."""
import tensorflow as tf

average = tf.Variable(1.0, trainable=False)


def normalised(y_true, y_pred):
    error = tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)
    return error / (average + 1.0)
