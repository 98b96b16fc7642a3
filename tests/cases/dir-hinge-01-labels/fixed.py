import tensorflow as tf


def hinge(y_true, y_pred):
    sign = 2.0 * y_true - 1.0
    return tf.reduce_mean(tf.maximum(0.0, 1.0 - sign * y_pred), axis=-1)
