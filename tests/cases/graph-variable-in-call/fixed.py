import tensorflow as tf


def running_loss(y_true, y_pred):
    scale = 1.0 / (1.0 + tf.reduce_mean(tf.abs(y_true), axis=-1))
    return scale * tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
