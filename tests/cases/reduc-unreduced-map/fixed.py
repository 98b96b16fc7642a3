import tensorflow as tf


def heatmap_loss(y_true, y_pred):
    weight = 1.0 + 4.0 * y_true
    return tf.reduce_mean(weight * tf.square(y_true - y_pred), axis=-1)
