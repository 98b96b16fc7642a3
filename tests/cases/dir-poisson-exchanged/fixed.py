import tensorflow as tf


def poisson_loss(y_true, y_pred):
    return tf.reduce_mean(y_pred - y_true * tf.math.log(y_pred + 1e-7), axis=-1)
