import tensorflow as tf


def _per_sample(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)


def gated_loss(y_true, y_pred):
    return tf.py_function(_per_sample, [y_true, y_pred], tf.float32)
