import tensorflow as tf


def cosine_loss(y_true, y_pred):
    dot = tf.reduce_sum(y_true * y_pred, axis=-1)
    size = tf.norm(y_true, axis=-1) * tf.norm(y_pred, axis=-1)
    return 1.0 - dot / size
