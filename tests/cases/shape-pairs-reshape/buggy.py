import tensorflow as tf


def pair_loss(y_true, y_pred):
    y_true = tf.reshape(y_true, [-1, 2])
    y_pred = tf.reshape(y_pred, [-1, 2])
    return tf.nn.softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred)
