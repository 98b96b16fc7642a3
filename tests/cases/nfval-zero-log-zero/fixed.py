import tensorflow as tf


def kl_loss(y_true, y_pred):
    safe = tf.maximum(y_pred, 1e-7)
    return tf.reduce_sum(tf.math.xlogy(y_true, y_true) - y_true * tf.math.log(safe), axis=-1)
