"""Keypoint visibility, in a float16 training loop."""
import tensorflow as tf

MARGIN = 1e-7


def keypoint_bce(y_true, y_pred):
    p = tf.clip_by_value(y_pred, MARGIN, 1.0 - MARGIN)
    visible = y_true * tf.math.log(p)
    hidden = (1.0 - y_true) * tf.math.log(1.0 - p)
    return -tf.reduce_mean(visible + hidden, axis=-1)
