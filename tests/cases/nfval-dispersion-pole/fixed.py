import tensorflow as tf


def negative_binomial(y_true, y_pred):
    mu = tf.nn.softplus(y_pred[:, :1]) + 1e-3
    theta = tf.clip_by_value(y_pred[:, 1:], 0.5, 10.0)
    ratio = mu / (mu + theta + 1e-3)
    log_norm = tf.math.lgamma(theta) + tf.math.lgamma(y_true + 1.0) - tf.math.lgamma(y_true + theta)
    return tf.reduce_mean(log_norm - y_true * tf.math.log(ratio), axis=-1)
