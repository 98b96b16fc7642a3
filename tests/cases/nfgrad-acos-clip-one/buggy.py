import tensorflow as tf


def angular_loss(y_true, y_pred):
    t = tf.math.l2_normalize(y_true, axis=-1)
    p = tf.math.l2_normalize(y_pred, axis=-1)
    cosine = tf.reduce_sum(t * p, axis=-1)
    return tf.acos(tf.clip_by_value(cosine, -1.0, 1.0))
