import tensorflow as tf


def masked_mse(y_true, y_pred):
    mask = tf.cast(y_true > 0.0, y_pred.dtype)
    total = tf.reduce_sum(mask * tf.square(y_true - y_pred), axis=-1)
    return total / (tf.reduce_sum(mask, axis=-1) + 1.0)
