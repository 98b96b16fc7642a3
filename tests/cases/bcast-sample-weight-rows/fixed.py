import tensorflow as tf


def weighted_tokens(y_true, y_pred):
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.cast(y_true, tf.int32), logits=y_pred)
    length = tf.reduce_sum(tf.cast(y_true > 0, y_pred.dtype), axis=-1)
    return tf.reduce_sum(loss, axis=-1) / (length + 1.0)
