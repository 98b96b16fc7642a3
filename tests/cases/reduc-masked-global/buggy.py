import tensorflow as tf


def masked_mse(y_true, y_pred):
    mask = tf.cast(y_true > 0.0, y_pred.dtype)
    total = tf.reduce_sum(mask * tf.square(y_true - y_pred))
    return total / (tf.reduce_sum(mask) + 1.0)
