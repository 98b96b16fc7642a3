import tensorflow as tf


def jaccard(y_true, y_pred):
    both = tf.reduce_sum(y_true * y_pred, axis=-1)
    union = tf.reduce_sum(y_true + y_pred, axis=-1)
    return 1.0 - (both + 1.0) / (union + 1.0)
