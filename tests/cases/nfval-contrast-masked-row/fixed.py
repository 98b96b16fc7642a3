import tensorflow as tf


def masked_nll(y_true, y_pred):
    kept = tf.reduce_logsumexp(tf.where(y_true > 0.5, y_pred, -1e5), axis=-1)
    return tf.reduce_logsumexp(y_pred, axis=-1) - kept
