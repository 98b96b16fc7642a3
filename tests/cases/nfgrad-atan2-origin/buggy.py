import tensorflow as tf


def heading_loss(y_true, y_pred):
    pred = tf.atan2(y_pred[:, 1], y_pred[:, 0])
    true = tf.atan2(y_true[:, 1], y_true[:, 0])
    return 1.0 - tf.cos(pred - true)
