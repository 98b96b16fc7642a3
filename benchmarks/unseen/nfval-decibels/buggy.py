import tensorflow as tf


def from_decibels(level):
    return tf.pow(10.0, level / 10.0)


def power_error(y_true, y_pred):
    gap = from_decibels(y_pred) - from_decibels(tf.clip_by_value(y_true, -60.0, 60.0))
    return tf.reduce_mean(tf.abs(gap), axis=-1)
