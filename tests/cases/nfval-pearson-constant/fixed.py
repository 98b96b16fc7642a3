import tensorflow as tf


def correlation_loss(y_true, y_pred):
    t = y_true - tf.reduce_mean(y_true, axis=-1, keepdims=True)
    p = y_pred - tf.reduce_mean(y_pred, axis=-1, keepdims=True)
    top = tf.reduce_sum(t * p, axis=-1)
    bottom = tf.reduce_sum(t * t, axis=-1) * tf.reduce_sum(p * p, axis=-1)
    return 1.0 - top / tf.sqrt(tf.maximum(bottom, 1e-6))
