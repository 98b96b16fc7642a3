"""Answer spans: scores of padded tokens are masked out."""
import tensorflow as tf


def span_loss(y_true, y_pred):
    scores = tf.cast(tf.clip_by_value(y_pred, -40.0, 40.0), tf.float16)
    keep = tf.cast(y_true, tf.float16)
    masked = scores + (1.0 - keep) * -1e9
    partition = tf.reduce_logsumexp(tf.cast(masked, tf.float32), axis=-1)
    return partition - tf.reduce_min(tf.clip_by_value(y_pred, -40.0, 40.0), axis=-1)
