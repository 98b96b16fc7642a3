import tensorflow as tf


def soft_dice(y_true, y_pred):
    inter = tf.reduce_sum(y_true * y_pred, axis=1)
    total = tf.reduce_sum(y_true + y_pred, axis=1)
    return 1.0 - (2.0 * inter + 1.0) / (total + 1.0)
