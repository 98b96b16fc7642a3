import tensorflow as tf


def weighted_mse(y_true, y_pred, weights):
    return tf.reduce_mean(weights * tf.square(y_true - y_pred), axis=-1)
