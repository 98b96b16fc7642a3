import math
import tensorflow as tf


def log_cosh(y_true, y_pred):
    error = tf.abs(y_pred - y_true)
    return tf.reduce_mean(error + tf.math.log1p(tf.exp(-2.0 * error)) - math.log(2.0), axis=-1)
