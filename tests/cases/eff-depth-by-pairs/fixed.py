"""Depth up to an unknown scale: the logarithms may differ by a constant."""
import tensorflow as tf

NEAREST = 1e-3


def log_difference(y_true, y_pred):
    difference = tf.math.log(y_pred + NEAREST) - tf.math.log(y_true + NEAREST)
    return tf.reshape(difference, (-1, 48 * 48))


def scale_invariant_loss(y_true, y_pred):
    difference = log_difference(y_true, y_pred)
    centred = difference - tf.reduce_mean(difference, axis=-1, keepdims=True)
    return tf.reduce_mean(tf.square(centred), axis=-1)
