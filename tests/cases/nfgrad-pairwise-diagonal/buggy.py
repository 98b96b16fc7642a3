import tensorflow as tf


def distances(points):
    difference = points[:, :, tf.newaxis, :] - points[:, tf.newaxis, :, :]
    return tf.norm(difference, axis=-1)


def stress(y_true, y_pred):
    return tf.reduce_mean(tf.square(distances(y_true) - distances(y_pred)), axis=[1, 2])
