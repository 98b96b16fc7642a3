"""Depth up to an unknown scale: the logarithms may differ by a constant."""
import tensorflow as tf

NEAREST = 1e-3


def log_difference(y_true, y_pred):
    difference = tf.math.log(y_pred + NEAREST) - tf.math.log(y_true + NEAREST)
    return tf.reshape(difference, (-1, 48 * 48))


def scale_invariant_loss(y_true, y_pred):
    difference = log_difference(y_true, y_pred)
    pairs = difference[:, :, tf.newaxis] - difference[:, tf.newaxis, :]
    return 0.5 * tf.reduce_mean(tf.square(pairs), axis=[1, 2])
