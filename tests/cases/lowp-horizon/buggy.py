import tensorflow as tf

DISCOUNT = 0.999


def value_loss(y_true, y_pred):
    """Squared error of values in units of the horizon."""
    discount = tf.cast(DISCOUNT, y_pred.dtype)
    horizon = 1.0 / (1.0 - discount)
    error = (y_true - y_pred) / horizon
    return tf.reduce_mean(tf.square(error), axis=-1)
