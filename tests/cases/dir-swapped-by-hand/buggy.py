import tensorflow as tf


def soft_ce(y_true, y_pred):
    y_true = tf.clip_by_value(y_true, 1e-7, 1.0)
    return -tf.reduce_sum(y_pred * tf.math.log(y_true), axis=-1)
