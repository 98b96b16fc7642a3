import tensorflow as tf


def poisson_loss(y_true, y_pred):
    return tf.reduce_mean(y_true - y_pred * tf.math.log(y_true + 1e-7), axis=-1)
