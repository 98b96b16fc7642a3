import tensorflow as tf


def dice_loss(y_true, y_pred):
    t = tf.reshape(y_true, [-1, 64])
    p = tf.reshape(y_pred, [-1, 64])
    return 1.0 - (2.0 * tf.reduce_sum(t * p, axis=-1) + 1.0) / (tf.reduce_sum(t, axis=-1) + tf.reduce_sum(p, axis=-1) + 1.0)
