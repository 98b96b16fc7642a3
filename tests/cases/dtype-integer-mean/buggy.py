import tensorflow as tf


def prior_bce(y_true, y_pred):
    share = tf.cast(tf.reduce_mean(y_true, axis=-1), y_pred.dtype)
    labels = tf.cast(y_true, y_pred.dtype)
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=y_pred)
    return tf.reduce_mean(loss, axis=-1) * (2.0 - share)
