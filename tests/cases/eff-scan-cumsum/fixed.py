import tensorflow as tf


def _cdf(p):
    return tf.cumsum(p, axis=-1)


def emd_loss(y_true, y_pred):
    return tf.reduce_mean(tf.square(_cdf(y_true) - _cdf(y_pred)), axis=-1)
