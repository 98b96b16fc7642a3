import tensorflow as tf


def soft_bce(y_true, y_pred):
    labels = tf.cast(y_true, y_pred.dtype)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=y_pred), axis=-1)
