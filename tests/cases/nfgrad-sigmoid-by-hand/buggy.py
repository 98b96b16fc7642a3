import tensorflow as tf


def activate(x):
    return tf.math.reciprocal(1.0 + tf.exp(-x))


def brier(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - activate(y_pred)), axis=-1)
