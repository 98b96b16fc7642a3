import itertools

import tensorflow as tf

step = itertools.count()


def warmup_loss(y_true, y_pred):
    beta = min(1.0, next(step) / 100.0)
    e = y_true - y_pred
    return tf.reduce_mean(tf.square(e), axis=-1) + beta * tf.reduce_mean(tf.abs(e), axis=-1)
