import tensorflow as tf


def laplace_nll(y_true, y_pred):
    centre = y_pred[:, 0]
    scale = tf.nn.softplus(y_pred[:, 1]) + 1e-3
    return tf.abs(y_true[:, 0] - centre) / scale + tf.math.log(2.0 * scale)
