import tensorflow as tf

EPS = 1e-6


def depth_loss(y_true, y_pred):
    inverse = 1.0 / (y_pred + EPS)
    return tf.reduce_mean(tf.abs(inverse - 1.0 / (y_true + EPS)), axis=-1)
