import tensorflow as tf


def balance(labels):
    positives = tf.reduce_sum(labels, axis=1, keepdims=True)
    negatives = tf.reduce_sum(1.0 - labels, axis=1, keepdims=True)
    return tf.math.reciprocal(positives) * labels + tf.math.reciprocal(negatives) * (1.0 - labels)


def frequency_weighted(y_true, y_pred):
    p = tf.clip_by_value(y_pred, 1e-6, 1 - 1e-6)
    bce = -(y_true * tf.math.log(p) + (1 - y_true) * tf.math.log(1 - p))
    return tf.reduce_sum(balance(y_true) * bce, axis=1)
