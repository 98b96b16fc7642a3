import tensorflow as tf


def signed_hinge(y_true, y_pred):
    sign = tf.cast(2 * y_true - 1, y_pred.dtype)
    return tf.reduce_mean(tf.maximum(0.0, 1.0 - sign * y_pred), axis=-1)
