"""Similarities of an image to five captions, contrastive."""
import tensorflow as tf

TEMPERATURE = 0.07


def contrast(y_true, y_pred):
    logits = tf.cast(y_pred, tf.float32) / TEMPERATURE
    picked = tf.reduce_sum(tf.cast(y_true, tf.float32) * logits, axis=-1)
    return tf.reduce_logsumexp(logits, axis=-1) - picked
