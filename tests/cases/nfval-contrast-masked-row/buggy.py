import tensorflow as tf


def masked_nll(y_true, y_pred):
    logits = y_pred - tf.reduce_max(y_pred, axis=-1, keepdims=True)
    exp_logits = tf.exp(logits) * y_true
    return -tf.math.log(tf.reduce_sum(exp_logits, axis=-1)) + tf.reduce_logsumexp(logits, axis=-1)
