import tensorflow as tf


def square_distances(a, b):
    gap = a[:, :, None, :] - b[:, None, :, :]
    return tf.reduce_sum(gap * gap, axis=-1)


def chamfer(y_true, y_pred):
    d = square_distances(y_true, y_pred)
    return tf.reduce_mean(tf.reduce_min(d, axis=2), axis=1) + tf.reduce_mean(tf.reduce_min(d, axis=1), axis=1)
