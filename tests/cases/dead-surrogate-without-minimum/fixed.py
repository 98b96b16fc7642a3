"""y_true: old log-probability, advantage. y_pred: new log-probability."""
import tensorflow as tf


def ppo(y_true, y_pred):
    old, advantage = y_true[:, 0], y_true[:, 1]
    ratio = tf.exp(tf.clip_by_value(y_pred[:, 0] - old, -15.0, 15.0))
    clipped = tf.clip_by_value(ratio, 0.8, 1.2)
    return -tf.minimum(ratio * advantage, clipped * advantage)
