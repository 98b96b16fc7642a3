import itertools

import tensorflow as tf

step = tf.Variable(0.0, trainable=False)


def warmup_loss(y_true, y_pred):
    beta = tf.minimum(1.0, step.assign_add(1.0) / 100.0)
    e = y_true - y_pred
    return tf.reduce_mean(tf.square(e), axis=-1) + beta * tf.reduce_mean(tf.abs(e), axis=-1)
