import tensorflow as tf


def masked_softmax_loss(y_true, y_pred):
    y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
    scores = y_pred + (1.0 - y_true) * tf.cast(-1e4, y_pred.dtype)
    return tf.reduce_logsumexp(y_pred, axis=-1) - tf.reduce_logsumexp(scores, axis=-1)
