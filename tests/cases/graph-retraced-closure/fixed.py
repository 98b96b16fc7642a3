"""Spectra, with a compiled helper, in a training loop of our own."""
import tensorflow as tf


@tf.function
def smooth(x):
    return 0.5 * x[:, 1:] + 0.5 * x[:, :-1]


def spectral(y_true, y_pred):
    difference = smooth(y_true) - smooth(y_pred)
    return tf.reduce_mean(2.0 * tf.abs(difference), axis=-1)
