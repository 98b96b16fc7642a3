import tensorflow as tf

EPS = 1e-2


def si_sdr(y_true, y_pred):
    scale = tf.reduce_sum(y_true * y_pred, -1, keepdims=True) / (tf.reduce_sum(y_true**2, -1, keepdims=True) + EPS)
    signal = tf.reduce_sum(tf.square(scale * y_true), -1)
    noise = tf.reduce_sum(tf.square(scale * y_true - y_pred), -1)
    return -10.0 * tf.math.log((signal + EPS) / (noise + EPS))
