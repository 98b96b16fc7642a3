import tensorflow as tf

EPS = 1e-6


def depth_loss(y_true, y_pred):
    inverse = 1.0 / (tf.cast(y_pred, tf.float32) + 1e-2)
    return tf.reduce_mean(tf.abs(inverse - 1.0 / (tf.cast(y_true, tf.float32) + 1e-2)), axis=-1)
