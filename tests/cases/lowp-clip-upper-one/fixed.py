"""Keypoint visibility, in a float16 training loop."""
import tensorflow as tf

MARGIN = 1e-3  # float16 has no number between 0.9995 and 1


def keypoint_bce(y_true, y_pred):
    y_true = tf.cast(y_true, tf.float32)
    p = tf.clip_by_value(tf.cast(y_pred, tf.float32), MARGIN, 1.0 - MARGIN)
    visible = y_true * tf.math.log(p)
    hidden = (1.0 - y_true) * tf.math.log(1.0 - p)
    return -tf.reduce_mean(visible + hidden, axis=-1)
