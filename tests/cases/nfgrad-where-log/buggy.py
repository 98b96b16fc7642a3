import tensorflow as tf


def log_error(y_true, y_pred):
    scale = tf.abs(y_pred)
    logs = tf.math.log(scale)
    safe = tf.where(scale > 1e-6, logs, tf.zeros_like(scale))
    return tf.reduce_mean(tf.square(tf.math.log(y_true) - safe), axis=-1)
