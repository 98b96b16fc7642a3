import tensorflow as tf


def _spread(values):
    moment = tf.reduce_mean(tf.square(values), axis=-1)
    variance = moment - tf.square(tf.reduce_mean(values, axis=-1))
    return tf.sqrt(variance + 1e-6)


def texture_loss(y_true, y_pred):
    return tf.abs(_spread(y_true) - _spread(y_pred))
