"""Cross-entropy in which positives weigh more."""
import tensorflow as tf


def balanced(y_true, y_pred):
    y_true = y_true - 0.1 * (y_true - 0.5)
    rare = tf.equal(y_true, 1.0)
    weight = tf.where(rare, 6.0, 1.0)
    cross = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)
    return tf.reduce_mean(weight * cross, axis=-1)
