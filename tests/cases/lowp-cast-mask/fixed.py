"""Answer spans: scores of padded tokens are masked out."""
import tensorflow as tf


def span_loss(y_true, y_pred):
    scores = tf.clip_by_value(y_pred, -40.0, 40.0)
    masked = scores + (1.0 - y_true) * -1e4
    partition = tf.reduce_logsumexp(masked, axis=-1)
    return partition - tf.reduce_min(scores, axis=-1)
