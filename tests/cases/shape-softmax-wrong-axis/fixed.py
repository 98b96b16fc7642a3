import tensorflow as tf


def pixel_loss(y_true, y_pred):
    log_prob = tf.nn.log_softmax(y_pred, axis=-1)
    return -tf.reduce_mean(tf.reduce_sum(y_true * log_prob, axis=-1), axis=[1, 2])
