import tensorflow as tf


def _spread(values):
    centred = values - tf.reduce_mean(values, axis=-1, keepdims=True)
    return tf.sqrt(tf.reduce_mean(tf.square(centred), axis=-1) + 1e-3)


def texture_loss(y_true, y_pred):
    return tf.abs(_spread(y_true) - _spread(y_pred))
