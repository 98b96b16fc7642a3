import tensorflow as tf


def sequence_loss(y_true, y_pred):
    error = tf.square(y_true - y_pred)
    return tf.reduce_mean(error, axis=1)
