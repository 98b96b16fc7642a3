import tensorflow as tf


def log_error(y_true, y_pred):
    scale = tf.abs(y_pred)
    large = scale > 1e-6
    logs = tf.math.log(tf.where(large, scale, tf.ones_like(scale)))
    safe = tf.where(large, logs, tf.zeros_like(scale))
    return tf.reduce_mean(tf.square(tf.math.log(y_true) - safe), axis=-1)
