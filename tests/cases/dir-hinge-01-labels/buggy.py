import tensorflow as tf


def hinge(y_true, y_pred):
    return tf.reduce_mean(tf.maximum(0.0, 1.0 - y_true * y_pred), axis=-1)
