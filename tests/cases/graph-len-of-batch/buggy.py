"""Error of the lengths of trajectories."""
import tensorflow as tf


def path_length(y_true, y_pred):
    losses = []
    for i in range(len(y_true)):
        true_steps = tf.reduce_sum(tf.square(y_true[i, 1:] - y_true[i, :-1]))
        steps = tf.reduce_sum(tf.square(y_pred[i, 1:] - y_pred[i, :-1]))
        losses.append(tf.abs(true_steps - steps))
    return tf.stack(losses)
