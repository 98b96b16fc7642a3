import tensorflow as tf


def distances(points):
    difference = points[:, :, tf.newaxis, :] - points[:, tf.newaxis, :, :]
    squared = tf.reduce_sum(tf.square(difference), axis=-1)
    return tf.sqrt(squared + 1e-6)


def stress(y_true, y_pred):
    return tf.reduce_mean(tf.square(distances(y_true) - distances(y_pred)), axis=[1, 2])
