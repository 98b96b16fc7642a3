import tensorflow as tf


def _cdf(p):
    steps = tf.transpose(p)
    return tf.transpose(tf.scan(lambda a, x: a + x, steps))


def emd_loss(y_true, y_pred):
    return tf.reduce_mean(tf.square(_cdf(y_true) - _cdf(y_pred)), axis=-1)
