import tensorflow as tf


def similarity_loss(y_true, y_pred):
    t = tf.math.l2_normalize(y_true, axis=-1)
    p = tf.math.l2_normalize(y_pred, axis=-1)
    return 1.0 - tf.reduce_sum(t * p, axis=-1)
