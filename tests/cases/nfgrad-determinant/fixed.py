import tensorflow as tf


def volume(matrix):
    return matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0]


def volume_error(y_true, y_pred):
    change = volume(y_pred) - volume(y_true)
    return tf.abs(change) + tf.reduce_mean(tf.abs(y_true - y_pred), axis=[1, 2])
