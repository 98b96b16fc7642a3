import tensorflow as tf


def objectness(y_true, y_pred):
    count = tf.maximum(tf.reduce_sum(y_true, axis=-1), 1.0)
    base = tf.reduce_mean(tf.nn.softplus(y_pred), axis=-1)
    return base - tf.reduce_sum(y_true * tf.tanh(y_pred), axis=-1) / count
