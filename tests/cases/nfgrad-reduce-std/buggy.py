import tensorflow as tf


def style_loss(y_true, y_pred):
    spread = tf.math.reduce_std(y_pred, axis=-1) - tf.math.reduce_std(y_true, axis=-1)
    level = tf.reduce_mean(y_pred, axis=-1) - tf.reduce_mean(y_true, axis=-1)
    return tf.square(spread) + tf.square(level)
