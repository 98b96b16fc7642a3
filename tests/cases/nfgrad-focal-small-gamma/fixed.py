import tensorflow as tf

GAMMA = 0.5


def focal(y_true, y_pred):
    p = tf.reduce_sum(y_true * y_pred, axis=-1)
    return -tf.pow(tf.maximum(1.0 - p, 1e-3), GAMMA) * tf.math.log(tf.maximum(p, 1e-6))
