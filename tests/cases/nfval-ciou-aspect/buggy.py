import math

import tensorflow as tf


def aspect(box):
    width, height = box[..., 2], box[..., 3]
    return tf.math.atan(width / height)


def box_loss(y_true, y_pred):
    position = tf.reduce_sum(tf.abs(y_true - y_pred), axis=-1)
    v = 4.0 / math.pi**2 * tf.square(aspect(y_true) - aspect(y_pred))
    return position + v
