import tensorflow as tf


def direction_loss(y_true, y_pred):
    wrong = tf.nn.relu(-y_true * y_pred)
    return tf.reduce_mean(tf.square(y_true - y_pred) + 10.0 * wrong, axis=-1)
