import tensorflow as tf


def _one(pair):
    return tf.reduce_logsumexp(tf.abs(pair[0] - pair[1]))


def rank_loss(y_true, y_pred):
    return tf.reduce_logsumexp(tf.abs(y_true - y_pred), axis=-1)
