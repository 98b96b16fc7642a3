import tensorflow as tf


def multi_part_loss(y_true, y_pred):
    xy = tf.reduce_mean(tf.square(y_true[:, :2] - y_pred[:, :2]), axis=-1)
    wh = tf.reduce_mean(tf.abs(y_true[:, 2:] - y_pred[:, 2:]), axis=-1)
    return xy + wh
