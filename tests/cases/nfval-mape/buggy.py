import tensorflow as tf


def mape(y_true, y_pred):
    return 100.0 * tf.reduce_mean(tf.abs((y_true - y_pred) / y_true), axis=-1)
