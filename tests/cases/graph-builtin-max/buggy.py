import tensorflow as tf


def two_part_loss(y_true, y_pred):
    worst = max(tf.reduce_max(tf.abs(y_true)), 1.0)
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1) / worst
