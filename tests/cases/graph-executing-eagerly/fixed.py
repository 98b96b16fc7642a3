"""Depth maps: in logarithms."""
import tensorflow as tf


def depth_l1(y_true, y_pred):
    return tf.reduce_mean(tf.abs(tf.math.log(y_true) - tf.math.log(y_pred)), axis=-1)
