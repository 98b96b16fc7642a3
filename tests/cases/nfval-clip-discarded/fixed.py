import tensorflow as tf


def weighted_crossentropy(y_true, y_pred):
    weights = tf.constant([1.0, 2.0, 2.0, 4.0])
    y_pred = tf.clip_by_value(y_pred, 1e-7, 1.0 - 1e-7)
    log_likelihood = y_true * tf.math.log(y_pred)
    return -tf.reduce_sum(weights * log_likelihood, axis=-1)
