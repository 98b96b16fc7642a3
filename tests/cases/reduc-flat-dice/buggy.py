import tensorflow as tf


def dice_loss(y_true, y_pred):
    t = tf.reshape(y_true, [-1])
    p = tf.reshape(y_pred, [-1])
    return 1.0 - (2.0 * tf.reduce_sum(t * p) + 1.0) / (tf.reduce_sum(t) + tf.reduce_sum(p) + 1.0)
