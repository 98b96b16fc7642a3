import tensorflow as tf


def style_loss(y_true, y_pred):
    spread = tf.sqrt(tf.math.reduce_variance(y_pred, axis=-1) + 1e-3) - tf.sqrt(tf.math.reduce_variance(y_true, axis=-1) + 1e-3)
    level = tf.reduce_mean(y_pred, axis=-1) - tf.reduce_mean(y_true, axis=-1)
    return tf.square(spread) + tf.square(level)
