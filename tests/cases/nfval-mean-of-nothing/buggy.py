import tensorflow as tf


def objectness(y_true, y_pred):
    positive = tf.gather_nd(y_pred, tf.where(y_true > 0.5))
    base = tf.reduce_mean(tf.nn.softplus(y_pred), axis=-1)
    return base - tf.reduce_mean(tf.tanh(positive))
