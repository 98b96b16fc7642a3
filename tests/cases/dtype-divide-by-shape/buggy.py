import tensorflow as tf


def per_pixel_l1(y_true, y_pred):
    total = tf.reduce_sum(tf.abs(y_true - y_pred), axis=[1, 2, 3])
    pixels = tf.shape(y_pred)[1] * tf.shape(y_pred)[2]
    return total / pixels
