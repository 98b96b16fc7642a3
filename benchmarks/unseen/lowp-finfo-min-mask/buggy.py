import tensorflow as tf


def masked_scores(scores, keep):
    return scores + (1.0 - keep) * scores.dtype.min


def masked_kl(y_true, y_pred):
    logits = masked_scores(y_pred, y_true)
    return -tf.reduce_sum(y_true * tf.nn.log_softmax(logits, axis=-1), axis=-1)
