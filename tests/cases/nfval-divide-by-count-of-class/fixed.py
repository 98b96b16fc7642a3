import tensorflow as tf


def balanced_bce(y_true, y_pred):
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)
    positives = tf.reduce_sum(y_true, axis=-1)
    negatives = tf.reduce_sum(1.0 - y_true, axis=-1)
    pos = tf.reduce_sum(y_true * loss, axis=-1) / (positives + 1.0)
    neg = tf.reduce_sum((1.0 - y_true) * loss, axis=-1) / (negatives + 1.0)
    return pos + neg
