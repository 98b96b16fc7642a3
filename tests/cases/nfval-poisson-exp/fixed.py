import tensorflow as tf


def poisson_nll(y_true, y_pred):
    return tf.reduce_mean(tf.exp(tf.minimum(y_pred, 20.0)) - y_true * y_pred, axis=-1)
