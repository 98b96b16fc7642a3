import tensorflow as tf


def alarm_loss(y_true, y_pred):
    y_pred = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
    nll = -(y_true * tf.math.log(y_pred) + (1.0 - y_true) * tf.math.log(1.0 - y_pred))
    alarms = tf.reduce_mean(y_pred, axis=-1)
    return tf.reduce_mean(nll, axis=-1) + 0.3 * alarms
