import tensorflow as tf

SIGMA = 0.01


def correntropy(y_true, y_pred):
    error = y_true - y_pred
    kernel = tf.exp(-tf.square(error) / (2.0 * SIGMA**2))
    return 1.0 - tf.reduce_mean(kernel, axis=-1)
