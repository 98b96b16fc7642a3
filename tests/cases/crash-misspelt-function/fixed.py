import tensorflow as tf


def mape_typo(y_true, y_pred):
    d = tf.abs(y_true - y_pred) / (y_true + 1.0)
    return 100.0 * tf.reduce_mean(d, axis=-1)
