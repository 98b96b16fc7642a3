import functools

import tensorflow as tf


def taper(length):
    return tf.linspace(1.0, 0.1, length)


def tapered(y_true, y_pred):
    return tf.reduce_mean(taper(6) * tf.square(y_true - y_pred), axis=-1)
