import tensorflow as tf


def weighted_mse(y_true, y_pred, weights=1.0):
    return tf.reduce_mean(weights * tf.square(y_true - y_pred), axis=-1)
