"""Error of the lengths of trajectories."""
import tensorflow as tf


def path_length(y_true, y_pred):
    true_steps = tf.reduce_sum(tf.square(y_true[:, 1:] - y_true[:, :-1]), axis=[1, 2])
    steps = tf.reduce_sum(tf.square(y_pred[:, 1:] - y_pred[:, :-1]), axis=[1, 2])
    return tf.abs(true_steps - steps)
