import tensorflow as tf


def debug_loss(y_true, y_pred):
    weight = tf.where(tf.reduce_max(y_true, axis=-1) > 1.0, 2.0, 1.0)
    return weight * tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)
