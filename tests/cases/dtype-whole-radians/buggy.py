"""Yaw of a box; the network gives radians."""
import math

import tensorflow as tf


def yaw_error(y_true, y_pred):
    target = tf.floor(tf.math.floormod(y_true, 2.0 * math.pi))
    return tf.reduce_mean(1.0 - tf.cos(y_pred - target), axis=-1)
