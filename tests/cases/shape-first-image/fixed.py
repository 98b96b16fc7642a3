import tensorflow as tf


def _edges(img):
    return img[:, 1:, :, :] - img[:, :-1, :, :]


def edge_loss(y_true, y_pred):
    return tf.reduce_mean(tf.abs(_edges(y_true) - _edges(y_pred)), axis=[1, 2, 3])
