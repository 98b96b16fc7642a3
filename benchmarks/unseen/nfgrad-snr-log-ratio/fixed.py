import tensorflow as tf

EPS = 1e-3


def log10(x):
    return tf.math.log(x) / tf.math.log(10.0)


def si_snr(y_true, y_pred):
    dot = tf.reduce_sum(y_true * y_pred, axis=-1, keepdims=True)
    energy = tf.reduce_sum(tf.square(y_true), axis=-1, keepdims=True)
    target = dot * y_true / (energy + EPS)
    noise = y_pred - target
    ratio = (tf.reduce_sum(target ** 2, axis=-1) + EPS) / (tf.reduce_sum(noise ** 2, axis=-1) + EPS)
    return -10.0 * log10(ratio)
