import tensorflow as tf


def sequence_loss(y_true, y_pred):
    error = tf.square(y_true - y_pred)
    return tf.reduce_mean(tf.reduce_sum(error, axis=2), axis=1)
