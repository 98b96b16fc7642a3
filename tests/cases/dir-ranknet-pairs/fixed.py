import tensorflow as tf


def ranknet(y_true, y_pred):
    above = y_true[:, :, None] > y_true[:, None, :]
    gap = y_pred[:, None, :] - y_pred[:, :, None]
    cost = tf.where(above, tf.nn.softplus(gap), 0.0)
    return tf.reduce_sum(cost, axis=[1, 2]) / 10.0
