import math
import tensorflow as tf
import keras.ops as ops


def normal_cdf(z):
    return 0.5 * tf.math.erfc(-z / math.sqrt(2.0))


def probit_bce(y_true, y_pred):
    z = ops.clip(y_pred, -6.0, 6.0)
    above = normal_cdf(z)
    below = normal_cdf(-z)
    return -ops.mean(y_true * ops.log(above + 1e-8) + (1.0 - y_true) * ops.log(below + 1e-8), axis=-1)
