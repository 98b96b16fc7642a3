"""Distance between the centres of mass of two heat maps."""
import tensorflow as tf


def _centre(image):
    height = tf.shape(image)[1]
    rows = tf.range(tf.cast(height, tf.float32), dtype=tf.float32)
    mass = tf.reduce_sum(image, axis=[2, 3])
    return tf.reduce_sum(mass * rows, axis=1) / (tf.reduce_sum(mass, axis=1) + 1e-3)


def centroid_loss(y_true, y_pred):
    return tf.abs(_centre(y_true) - _centre(y_pred))
