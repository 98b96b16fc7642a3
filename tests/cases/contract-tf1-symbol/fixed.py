import tensorflow as tf


def log_loss(y_true, y_pred):
    p = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
    return -tf.reduce_mean(y_true * tf.math.log(p) + (1.0 - y_true) * tf.math.log(1.0 - p), axis=-1)
