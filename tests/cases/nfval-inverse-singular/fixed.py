import tensorflow as tf


def transformed_error(y_true, y_pred):
    matrix = 4.0 * tf.eye(3) + tf.tanh(y_pred)
    inverse = tf.linalg.inv(matrix)
    moved = tf.linalg.matvec(inverse, y_true)
    return tf.reduce_mean(tf.abs(moved), axis=-1)
