import tensorflow as tf


def kl(p, m):
    terms = p * tf.math.log(tf.where(p > 0, p, 1.0) / m)
    return tf.reduce_sum(tf.where(p > 0, terms, 0.0), axis=-1)


def jensen_shannon(y_true, y_pred):
    m = 0.5 * (y_true + y_pred) + 1e-6
    return 0.5 * kl(y_true, m) + 0.5 * kl(y_pred, m)
