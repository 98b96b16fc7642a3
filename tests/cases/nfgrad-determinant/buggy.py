import tensorflow as tf


def volume_error(y_true, y_pred):
    change = tf.linalg.det(y_pred) - tf.linalg.det(y_true)
    return tf.abs(change) + tf.reduce_mean(tf.abs(y_true - y_pred), axis=[1, 2])
