import tensorflow as tf


def pair_loss(y_true, y_pred):
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)
    return tf.reduce_mean(ce, axis=-1)
