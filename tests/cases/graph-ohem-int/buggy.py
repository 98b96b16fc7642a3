import tensorflow as tf


def ohem(y_true, y_pred):
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)
    negative = (1.0 - y_true) * ce
    k = int(tf.reduce_sum(y_true)) + 1
    hard, _ = tf.math.top_k(negative, k=min(k, 8))
    return tf.reduce_mean(y_true * ce, axis=-1) + tf.reduce_mean(hard, axis=-1)
