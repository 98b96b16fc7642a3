"""Error of each sample."""
import tensorflow as tf


def batch_repulsion(y_true, y_pred):
    n = tf.shape(y_pred)[0]
    error = tf.reduce_sum(tf.square(y_true - y_pred), axis=-1)
    weights = tf.ones([n])
    return error * weights
