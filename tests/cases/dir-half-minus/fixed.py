import tensorflow as tf


def two_sided_ce(y_true, y_pred):
    p = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
    pos = y_true * tf.math.log(p)
    neg = (1.0 - y_true) * tf.math.log(1.0 - p)
    return tf.reduce_mean(-pos - neg, axis=-1)
