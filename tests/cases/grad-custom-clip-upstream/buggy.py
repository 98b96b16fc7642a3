import tensorflow as tf


@tf.custom_gradient
def bounded_exp(x):
    value = tf.exp(tf.minimum(x, 20.0))

    def grad(upstream):
        return upstream * tf.minimum(value, 1.0)

    return value, grad


def log_rate_loss(y_true, y_pred):
    return tf.reduce_mean(bounded_exp(y_pred) - y_true * y_pred, axis=-1)
