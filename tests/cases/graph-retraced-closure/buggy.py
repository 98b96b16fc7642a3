"""Spectra, with a compiled helper, in a training loop of our own."""
import tensorflow as tf


def spectral(y_true, y_pred):
    scale = 2.0

    @tf.function
    def smooth(x):
        return 0.5 * x[:, 1:] + 0.5 * x[:, :-1]

    difference = smooth(y_true) - smooth(y_pred)
    return tf.reduce_mean(scale * tf.abs(difference), axis=-1)
