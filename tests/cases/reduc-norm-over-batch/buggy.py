import tensorflow as tf


def embedding_distance(y_true, y_pred):
    target = tf.nn.l2_normalize(y_true, axis=0)
    output = tf.nn.l2_normalize(y_pred, axis=0)
    return 1.0 - tf.reduce_sum(target * output, axis=-1)
