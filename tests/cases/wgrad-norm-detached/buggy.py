import tensorflow as tf


def unit(x):
    length = tf.sqrt(tf.reduce_sum(tf.square(x), axis=-1, keepdims=True) + 1e-6)
    return x / tf.stop_gradient(length)


def cosine_distance(y_true, y_pred):
    return 1.0 - tf.reduce_sum(unit(y_true) * unit(y_pred), axis=-1)
