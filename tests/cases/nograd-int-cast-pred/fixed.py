import tensorflow as tf


def count_loss(y_true, y_pred):
    y_true = tf.cast(y_true, y_pred.dtype)
    gap = y_true - y_pred
    return tf.reduce_mean(tf.square(gap), axis=-1)
