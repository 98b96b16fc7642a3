import tensorflow as tf


def mae_loss(y_true, y_pred):
    target = tf.reshape(y_true, [-1, 1])
    return tf.reduce_mean(tf.abs(target - y_pred), axis=-1)
