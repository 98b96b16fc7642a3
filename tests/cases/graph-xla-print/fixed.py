"""Optical flow, end point error."""
import tensorflow as tf


def flow_loss(y_true, y_pred):
    return tf.sqrt(tf.reduce_sum(tf.square(y_true - y_pred), axis=-1) + 1e-6)
