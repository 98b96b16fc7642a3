import tensorflow as tf

GAMMA = 0.5


def focal(y_true, y_pred):
    p = tf.reduce_sum(y_true * y_pred, axis=-1)
    return -tf.pow(1.0 - p, GAMMA) * tf.math.log(tf.maximum(p, 1e-6))
