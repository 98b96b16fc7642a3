import tensorflow as tf


def debug_loss(y_true, y_pred):
    weight = 2.0 if y_true.numpy().max() > 1.0 else 1.0
    return weight * tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)
