import tensorflow as tf


def cell_loss(y_true, y_pred):
    power = tf.exp(tf.clip_by_value(y_pred, -20.0, 20.0))
    prob = power / tf.reduce_sum(power, axis=-1, keepdims=True)
    return tf.reduce_mean(tf.square(y_true - prob), axis=[1, 2])
