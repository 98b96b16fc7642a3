import tensorflow as tf


def _mean_of(values, mask):
    mask = tf.cast(mask, values.dtype)
    return tf.reduce_sum(values * mask, axis=-1) / (tf.reduce_sum(mask, axis=-1) + 1.0)


def hard_pair_loss(y_true, y_pred):
    positive = y_true > 0.5
    return _mean_of(tf.square(y_pred), positive) + _mean_of(tf.nn.relu(1.0 - y_pred), ~positive)
