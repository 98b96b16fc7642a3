import tensorflow as tf


def nll(y_true, y_pred):
    mu, log_var = y_pred[:, :1], tf.clip_by_value(y_pred[:, 1:], -5.0, 5.0)
    likelihood = -0.5 * (log_var + tf.square(y_true - mu) * tf.exp(-log_var))
    return tf.reduce_mean(likelihood, axis=-1)
