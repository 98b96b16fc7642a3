import tensorflow as tf


def _mean_of(values, mask):
    return tf.reduce_mean(tf.boolean_mask(values, mask))


def hard_pair_loss(y_true, y_pred):
    positive = y_true > 0.5
    total = _mean_of(tf.square(y_pred), positive) + _mean_of(tf.nn.relu(1.0 - y_pred), ~positive)
    return total * tf.ones_like(y_pred[:, 0])
