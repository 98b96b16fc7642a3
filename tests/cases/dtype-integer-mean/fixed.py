import tensorflow as tf


def prior_bce(y_true, y_pred):
    share = tf.reduce_mean(tf.cast(y_true, y_pred.dtype), axis=-1)
    labels = tf.cast(y_true, y_pred.dtype)
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=y_pred)
    return tf.reduce_mean(loss, axis=-1) * (2.0 - share)
