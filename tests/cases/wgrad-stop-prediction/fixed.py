import tensorflow as tf


def relative_error(y_true, y_pred):
    error = (y_true - y_pred) / (y_pred + 1.0)
    return tf.reduce_mean(tf.square(error), axis=-1)
