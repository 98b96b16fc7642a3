import tensorflow as tf


def profile_loss(y_true, y_pred):
    true, pred = tf.squeeze(y_true), tf.squeeze(y_pred)
    return tf.reduce_mean(tf.abs(true - pred), axis=-1)
