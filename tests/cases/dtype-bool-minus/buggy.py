import tensorflow as tf


def mask_loss(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_pred - y_true), axis=-1)
