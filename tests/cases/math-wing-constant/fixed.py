import math

import tensorflow as tf


def wing(w, eps):
    joint = w - w * math.log(1.0 + w / eps)

    def loss(y_true, y_pred):
        x = tf.abs(y_true - y_pred)
        return tf.reduce_mean(tf.where(x < w, w * tf.math.log(1.0 + x / eps), x - joint), axis=-1)

    return loss
