import tensorflow as tf


def masked_scores(scores, keep):
    scores = tf.cast(scores, tf.float32)
    keep = tf.cast(keep, tf.float32)
    return scores + (1.0 - keep) * -1e4


def masked_kl(y_true, y_pred):
    logits = masked_scores(y_pred, y_true)
    return -tf.reduce_sum(tf.cast(y_true, tf.float32) * tf.nn.log_softmax(logits, axis=-1), axis=-1)
