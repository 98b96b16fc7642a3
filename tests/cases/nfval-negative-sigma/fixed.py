import tensorflow as tf


def gaussian_nll(y_true, y_pred):
    mu, sigma = y_pred[:, :1], y_pred[:, 1:]
    z = (y_true - mu) / (tf.abs(sigma) + 1e-3)
    return tf.reduce_mean(0.5 * tf.square(z) + tf.math.log(tf.abs(sigma) + 1e-3), axis=-1)
