import tensorflow as tf


def transformed_error(y_true, y_pred):
    inverse = tf.linalg.inv(y_pred)
    moved = tf.linalg.matvec(inverse, y_true)
    return tf.reduce_mean(tf.abs(moved), axis=-1)
