import tensorflow as tf


def power_loss(y_true, y_pred):
    return tf.reduce_mean((y_pred - y_true) ** 1.5, axis=-1)
