from tensorflow.keras import backend as K
import tensorflow as tf


def concentrations(raw):
    both = K.softplus(raw) + 1.0
    return both[..., 0], both[..., 1]


def beta_nll(y_true, y_pred):
    a, b = concentrations(y_pred)
    kernel = (a - 1.0) * K.log(y_true) + (b - 1.0) * K.log(1.0 - y_true)
    norm = tf.math.lgamma(a) + tf.math.lgamma(b) - tf.math.lgamma(a + b)
    return K.mean(norm - kernel, axis=-1)
