import tensorflow as tf


def discrete_survival(y_true, y_pred):
    """y_true is 1 in the interval of the event."""
    hazard = tf.clip_by_value(y_pred, 0.001, 0.999)
    survival = tf.math.cumprod(1.0 - hazard, axis=-1, exclusive=True)
    log_likelihood = tf.math.log(hazard) + tf.math.log(survival)
    return -tf.reduce_sum(y_true * log_likelihood, axis=-1)
