import tensorflow as tf


def scaled_mae(y_true, y_pred):
    largest = [float(tf.reduce_max(tf.abs(row))) for row in y_true]
    return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1) / (tf.constant(largest) + 1.0)
