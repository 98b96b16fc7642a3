import tensorflow as tf


def activate(x):
    return tf.sigmoid(x)


def brier(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - activate(y_pred)), axis=-1)
