import tensorflow as tf


def precision_at_k(y_true, y_pred):
    share = tf.nn.softmax(y_pred, axis=-1)
    return 1.0 - tf.reduce_sum(y_true * share, axis=-1) / tf.maximum(tf.reduce_sum(y_true, axis=-1), 1.0)
