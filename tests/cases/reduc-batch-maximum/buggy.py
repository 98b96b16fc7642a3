import tensorflow as tf


def normalised_map(y_true, y_pred):
    p = y_pred / (tf.reduce_max(y_pred) + 0.1)
    return tf.reduce_mean(tf.square(p - y_true) / (1.1 - y_true), axis=[1, 2, 3])
