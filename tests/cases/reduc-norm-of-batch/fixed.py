import tensorflow as tf


def relative_error(y_true, y_pred):
    return tf.reduce_sum(tf.square(y_true - y_pred), axis=-1) / (tf.reduce_sum(tf.square(y_true), axis=-1) + 1.0)
