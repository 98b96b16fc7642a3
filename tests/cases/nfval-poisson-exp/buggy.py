import tensorflow as tf


def poisson_nll(y_true, y_pred):
    return tf.reduce_mean(tf.exp(y_pred) - y_true * y_pred, axis=-1)
