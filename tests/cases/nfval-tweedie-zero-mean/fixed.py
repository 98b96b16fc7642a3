import tensorflow as tf


def tweedie(y_true, y_pred, p=1.5):
    mu = tf.nn.softplus(y_pred) + 1e-3
    first = y_true * mu ** (1.0 - p) / (1.0 - p)
    second = mu ** (2.0 - p) / (2.0 - p)
    return tf.reduce_mean(second - first, axis=-1)
