import tensorflow as tf


def convert_to_logits(y_pred):
    y_pred = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
    odds = y_pred / (1.0 - y_pred)
    return tf.math.log(odds)


def weighted_binary(y_true, y_pred):
    logits = convert_to_logits(y_pred)
    loss = tf.nn.weighted_cross_entropy_with_logits(labels=y_true, logits=logits, pos_weight=2.0)
    return tf.reduce_mean(loss, axis=-1)
