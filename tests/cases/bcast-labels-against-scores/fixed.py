import tensorflow as tf

GAMMA = 2.0


def focal_loss(y_true, y_pred):
    y_true = tf.one_hot(tf.cast(y_true[:, 0], tf.int32), 4, dtype=y_pred.dtype)
    p = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
    return -tf.reduce_sum(y_true * tf.pow(1.0 - p, GAMMA) * tf.math.log(p), axis=-1)
