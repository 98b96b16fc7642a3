import tensorflow as tf


def divergence(y_true, y_pred):
    wanted = y_true
    given = tf.nn.log_softmax(y_pred)
    return -tf.reduce_sum(wanted * given, axis=-1)
