"""Losses that look as if rounding, half precision or a singular point would spoil them, and are right."""

import tensorflow as tf
from keras import ops


def heading_error(y_true, y_pred):
    """The difference of two angles, folded: sine and cosine are never both 0."""
    difference = y_pred - y_true
    folded = tf.atan2(tf.sin(difference), tf.cos(difference))
    return tf.reduce_mean(tf.square(folded), axis=-1)


def focal_by_crossentropy(y_true, y_pred):
    """1 - exp(-x) of a small x has few digits, in a factor that is next to nothing there."""
    crossentropy = tf.nn.softmax_cross_entropy_with_logits(y_true, y_pred)
    return tf.square(1.0 - tf.exp(-crossentropy)) * crossentropy


def joint_share(y_true, y_pred):
    """The gradient of a product of factors of which some are 0."""
    return tf.square(tf.reduce_prod(y_pred, axis=-1) - tf.reduce_prod(y_true, axis=-1))


def magnitudes(y_true, y_pred):
    """The modulus of a spectrum that is 0 has the slope 0 in TensorFlow."""
    return tf.reduce_mean(tf.abs(tf.abs(tf.signal.rfft(y_true)) - tf.abs(tf.signal.rfft(y_pred))), axis=-1)


def spread(y_true, y_pred):
    """A variance by moments that rounding takes below 0, kept above by more than that."""

    def deviation(x):
        variance = tf.reduce_mean(tf.square(x), axis=-1) - tf.square(tf.reduce_mean(x, axis=-1))
        return tf.sqrt(tf.maximum(variance, 0.0) + 1e-3)

    return tf.abs(deviation(y_true) - deviation(y_pred))


def share_of_rest(y_true, y_pred):
    own = ops.maximum(1.0 - ops.sum((1.0 - y_true) * y_pred, axis=-1), 0.0)
    return 1.0 - ops.power(own, 1.5)


def running_hazard(y_true, y_pred):
    observed = (y_pred - tf.math.cumulative_logsumexp(y_pred, axis=-1)) * y_true
    return -tf.reduce_sum(observed, axis=-1) / (1.0 + tf.reduce_sum(y_true, axis=-1))


def token_by_index(y_true, y_pred):
    """400 classes, which bfloat16 has no numbers for, as integers."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y_true, tf.int32), tf.cast(y_pred, tf.float32))


def few_bins(y_true, y_pred):
    """A running sum in bfloat16 of so few bins that it stays exact enough."""
    difference = tf.cumsum(y_pred, axis=-1) - tf.cumsum(y_true, axis=-1)
    return tf.reduce_mean(tf.abs(tf.cast(difference, tf.float32)), axis=-1)


def short_distance(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
