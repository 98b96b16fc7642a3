import tensorflow as tf


def angular(y_true, y_pred):
    s = tf.clip_by_value(y_pred, -1.0, 1.0)
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=4.0 * s)
    return tf.reduce_mean(ce, axis=-1)
