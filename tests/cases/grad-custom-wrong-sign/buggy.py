import tensorflow as tf


@tf.custom_gradient
def softplus(x):
    def grad(upstream):
        return -upstream * tf.sigmoid(-x)

    return tf.nn.softplus(x), grad


def safe_log_loss(y_true, y_pred):
    return tf.reduce_mean(softplus(y_pred) - y_true * y_pred, axis=-1)
