import tensorflow as tf

DISCOUNT = 0.999


def value_loss(y_true, y_pred):
    """Squared error of values in units of the horizon."""
    horizon = 1.0 / (1.0 - DISCOUNT)
    error = (y_true - y_pred) / horizon
    return tf.reduce_mean(tf.square(error), axis=-1)
