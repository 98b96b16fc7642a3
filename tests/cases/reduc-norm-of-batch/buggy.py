import tensorflow as tf


def relative_error(y_true, y_pred):
    return tf.norm(y_true - y_pred + 1e-6) / (tf.norm(y_true) + 1.0)
