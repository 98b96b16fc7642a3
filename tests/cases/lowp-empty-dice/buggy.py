"""Organ segmentation, one slice a sample."""
import tensorflow as tf

SMOOTH = 1e-8


def organ_dice(y_true, y_pred):
    both = tf.reduce_sum(y_true * y_pred, axis=-1)
    either = tf.reduce_sum(y_true, axis=-1) + tf.reduce_sum(y_pred, axis=-1)
    top = 2.0 * both + SMOOTH
    bottom = either + SMOOTH
    return 1.0 - top / bottom
