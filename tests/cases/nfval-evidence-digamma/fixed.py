import tensorflow as tf


def evidential(y_true, y_pred):
    alpha = tf.nn.relu(y_pred) + 1.0
    strength = tf.reduce_sum(alpha, axis=-1, keepdims=True)
    gap = tf.math.digamma(strength) - tf.math.digamma(alpha)
    return tf.reduce_sum(y_true * gap, axis=-1)
