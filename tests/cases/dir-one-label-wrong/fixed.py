import tensorflow as tf


def weighted_bce(y_true, y_pred, w=3.0):
    p = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
    pos = w * y_true * tf.math.log(p)
    neg = (1.0 - y_true) * tf.math.log(1.0 - p)
    return tf.reduce_mean(-pos - neg, axis=-1)
