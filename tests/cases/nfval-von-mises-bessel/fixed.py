import tensorflow as tf


def von_mises(y_true, y_pred):
    mu, kappa = y_pred[:, :1], tf.nn.softplus(y_pred[:, 1:])
    log_norm = tf.math.log(tf.math.bessel_i0e(kappa)) + kappa
    return tf.reduce_mean(log_norm - kappa * tf.cos(y_true - mu), axis=-1)
