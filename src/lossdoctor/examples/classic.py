"""Three pairs of custom losses. In each pair the second is how somebody rewrote the first."""

import tensorflow as tf

# 1. Mean squared error, in two spellings. Is one of them wrong, or its gradient?


def squared_by_hand(y_true, y_pred):
    """Subtract, square, average."""
    return tf.reduce_mean(tf.square(y_true - y_pred))


def squared_by_library(y_true, y_pred):
    """The library's own difference of squares, averaged."""
    return tf.reduce_mean(tf.math.squared_difference(y_true, y_pred))


# 2. One target for each sample, ten outputs of the model: what is subtracted from what?


def distance(y_true, y_pred):
    """The absolute difference, with the target as it comes."""
    return tf.abs(y_true - y_pred)


def distance_reshaped(y_true, y_pred):
    """The absolute difference, with the target made a column first."""
    return tf.abs(tf.reshape(y_true, (-1, 1)) - y_pred)


# 3. A penalty that grows fast with the error: does it overflow, and is the rewrite the same function?


def steep(y_true, y_pred):
    """The exponential of the squared error, averaged."""
    return tf.reduce_mean(tf.exp(tf.square(y_true - y_pred)))


def steep_rewritten(y_true, y_pred):
    """expm1 of the absolute error, averaged."""
    return tf.reduce_mean(tf.math.expm1(tf.abs(y_true - y_pred)))
