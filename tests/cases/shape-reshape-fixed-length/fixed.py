import tensorflow as tf


def window_loss(y_true, y_pred):
    error = tf.square(y_true - y_pred)[:, :, None]
    return tf.reduce_max(tf.reduce_mean(error, axis=2), axis=1)
