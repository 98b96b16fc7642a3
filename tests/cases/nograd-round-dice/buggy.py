"""Tumour segmentation, overlap of hard masks."""
import tensorflow as tf


def dice_loss(y_true, y_pred):
    mask = tf.round(y_pred)
    overlap = tf.reduce_sum(mask * y_true, axis=[1, 2, 3])
    total = tf.reduce_sum(mask, axis=[1, 2, 3]) + tf.reduce_sum(y_true, axis=[1, 2, 3])
    return 1.0 - (2.0 * overlap + 1.0) / (total + 1.0)
