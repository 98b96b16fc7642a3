import tensorflow as tf


def psnr_loss(y_true, y_pred):
    error = tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2, 3]) + 1e-4
    return 10.0 * tf.math.log(error) / tf.math.log(10.0)
