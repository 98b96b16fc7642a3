import tensorflow as tf


def push_apart(y_true, y_pred):
    pull = y_true * tf.square(y_pred)
    push = (1.0 - y_true) * tf.square(y_pred)
    return tf.reduce_mean(pull - push, axis=-1)
