import tensorflow as tf


def huber(y_true, y_pred):
    error = tf.cast(y_true, y_pred.dtype) - y_pred
    size = tf.minimum(tf.abs(error), 1.0)
    return tf.reduce_mean(size * (tf.abs(error) - 0.5 * size), axis=-1)
