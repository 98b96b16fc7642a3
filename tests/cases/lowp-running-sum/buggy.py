import tensorflow as tf


def bin_distance(y_true, y_pred):
    difference = tf.cumsum(y_pred, axis=-1) - tf.cumsum(y_true, axis=-1)
    return tf.reduce_sum(tf.abs(tf.cast(difference, tf.float32)), axis=-1)
