"""Squared error that is blended in as a callback sets the weight."""
import tensorflow as tf

RAMP = tf.Variable(0.5, trainable=False)


def warm_mse(y_true, y_pred):
    ramp = RAMP
    error = y_true - y_pred
    return tf.reduce_mean(ramp * tf.square(error) + (1.0 - ramp) * tf.abs(error), axis=-1)
