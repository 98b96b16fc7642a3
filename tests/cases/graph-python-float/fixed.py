import tensorflow as tf


def scaled_mae(y_true, y_pred):
    largest = tf.reduce_max(tf.abs(y_true), axis=-1)
    return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1) / (largest + 1.0)
