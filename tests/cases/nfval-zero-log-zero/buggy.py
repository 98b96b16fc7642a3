import tensorflow as tf


def kl_loss(y_true, y_pred):
    safe = tf.maximum(y_pred, 1e-7)
    return tf.reduce_sum(y_true * tf.math.log(y_true / safe), axis=-1)
