import tensorflow as tf


def window_loss(y_true, y_pred):
    error = tf.reshape(tf.square(y_true - y_pred), [-1, 8, 4])
    return tf.reduce_max(tf.reduce_mean(error, axis=2), axis=1)
