import tensorflow as tf


def hetero_nll(y_true, y_pred):
    mu = y_pred[:, 0]
    sigma = tf.nn.softplus(y_pred[:, 1]) + 0.01
    squared = tf.square(y_true[:, 0] - mu)
    return 0.5 * squared / tf.square(sigma) + tf.math.log(sigma)
