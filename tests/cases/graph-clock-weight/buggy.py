"""Squared error that is blended in during the first minute."""
import time

import tensorflow as tf

START = time.time()


def warm_mse(y_true, y_pred):
    ramp = min((time.time() - START) / 60.0, 1.0)
    error = y_true - y_pred
    return tf.reduce_mean(ramp * tf.square(error) + (1.0 - ramp) * tf.abs(error), axis=-1)
