"""Policy gradient; y_true holds the advantage at the action that was taken, else 0."""
import tensorflow as tf

BETA = 0.01


def actor_loss(y_true, y_pred):
    log_pi = tf.nn.log_softmax(y_pred)
    entropy = -tf.reduce_sum(tf.nn.softmax(y_pred) * log_pi, axis=-1)
    objective = tf.reduce_sum(y_true * log_pi, axis=-1)
    return -objective - BETA * entropy
