import tensorflow as tf


def discrete_weibull(y_true, y_pred):
    alpha = 1.0 + 10.0 * y_pred[:, :1]
    beta = 0.1 + 2.0 * y_pred[:, 1:]
    time = tf.minimum(y_true, 20.0)
    hazard0 = tf.pow(time / alpha, beta)
    hazard1 = tf.pow((time + 1.0) / alpha, beta)
    log_likelihood = tf.math.log(tf.maximum(tf.math.expm1(hazard1 - hazard0), 1e-6)) - hazard1
    return -tf.reduce_mean(log_likelihood, axis=-1)
