import tensorflow as tf

ALPHA = 0.7


def weighted_loss(y_true, y_pred):
    error = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
    return alpha * error
