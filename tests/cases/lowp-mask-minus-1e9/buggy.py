import tensorflow as tf


def masked_softmax_loss(y_true, y_pred):
    scores = y_pred + (1.0 - y_true) * tf.cast(-1e9, y_pred.dtype)
    return tf.reduce_logsumexp(y_pred, axis=-1) - tf.reduce_logsumexp(scores, axis=-1)
