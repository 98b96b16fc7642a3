"""Box regression: y_true holds four offsets and the anchor state (1 positive)."""
import keras
import tensorflow as tf


def retina_smooth_l1(y_true, y_pred):
    target = y_true[:, :, :4]
    positive = tf.cast(tf.equal(y_true[:, :, 4], 1.0), y_pred.dtype)
    diff = tf.abs(y_pred - target)
    loss = tf.where(diff < 1.0, 0.5 * tf.square(diff), diff - 0.5)
    loss = tf.reduce_sum(loss, axis=-1) * positive
    normalizer = tf.maximum(1.0, tf.reduce_sum(positive))
    return tf.reduce_sum(loss) / normalizer
