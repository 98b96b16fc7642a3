import tensorflow as tf

EPS = 1e-7


def bce(y_true, y_pred):
    y_pred = tf.clip_by_value(y_pred, EPS, 1 - EPS)
    first = y_true * tf.math.log(y_pred)
    second = (1 - y_true) * tf.math.log(1 - y_pred)
    return -tf.reduce_mean(first + second, axis=-1)
