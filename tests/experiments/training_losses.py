"""Losses that train well, and losses that train wrongly, each with its specs, for `benchmarks.experiments`."""

# pyright: basic, reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportOptionalOperand=false

import keras
import tensorflow as tf

REAL, REAL1 = "float32[B,3] real", "float32[B,1] real"
POSITIVE = "float32[B,2] positive"
BINARY, UNIT, LOGIT = "float32[B,3] binary", "float32[B,3] unit", "float32[B,3] logit"
ONEHOT, PROBABILITY, SCORES = "float32[B,4] onehot", "float32[B,4] probability", "float32[B,4] logit"
LABEL = "int32[B] label(4)"
MASK, MAP = "float32[B,6,6,1] binary", "float32[B,6,6,1] unit"
SIGN = "float32[B,1] sign"
GOOD, BAD = {}, {}


def good(y_true, y_pred):
    def register(function):
        GOOD[function.__name__] = (y_true, y_pred)
        return function

    return register


def bad(y_true, y_pred):
    def register(function):
        BAD[function.__name__] = (y_true, y_pred)
        return function

    return register


@good(REAL, REAL)
def mse(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), -1)


@good(REAL, REAL)
def mae(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_true - y_pred), -1)


@good(REAL, REAL)
def huber(y_true, y_pred):
    error = tf.abs(y_true - y_pred)
    return tf.reduce_mean(tf.where(error < 1.0, 0.5 * error**2, error - 0.5), -1)


@good(REAL, REAL)
def log_cosh(y_true, y_pred):
    x = y_pred - y_true
    return tf.reduce_mean(x + tf.nn.softplus(-2.0 * x) - tf.math.log(2.0), -1)


@good(REAL1, REAL1)
def pinball90(y_true, y_pred):
    error = y_true - y_pred
    return tf.reduce_mean(tf.maximum(0.9 * error, -0.1 * error), -1)


@good(REAL, REAL)
def summed_over_the_batch(y_true, y_pred):
    return tf.reduce_sum(tf.square(y_true - y_pred))


@good(REAL, REAL)
def charbonnier(y_true, y_pred):
    return tf.reduce_mean(tf.sqrt(tf.square(y_true - y_pred) + 1e-4), -1)


@good(REAL, REAL)
def ridge(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), -1) + 1e-3 * tf.reduce_mean(tf.square(y_pred), -1)


@good(POSITIVE, POSITIVE)
def squared_log(y_true, y_pred):
    return tf.reduce_mean(tf.square(tf.math.log1p(y_true) - tf.math.log1p(y_pred)), -1)


@good(POSITIVE, POSITIVE)
def poisson(y_true, y_pred):
    return tf.reduce_mean(y_pred - y_true * tf.math.log(y_pred + 1e-7), -1)


@good(BINARY, UNIT)
def bce(y_true, y_pred):
    p = tf.clip_by_value(y_pred, 1e-7, 1 - 1e-7)
    return -tf.reduce_mean(y_true * tf.math.log(p) + (1 - y_true) * tf.math.log(1 - p), -1)


@good(BINARY, LOGIT)
def bce_logits(y_true, y_pred):
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred), -1)


@good(BINARY, UNIT)
def focal(y_true, y_pred):
    p = tf.clip_by_value(y_pred, 1e-7, 1 - 1e-7)
    pt = tf.where(y_true > 0.5, p, 1 - p)
    return tf.reduce_mean(-((1 - pt) ** 2) * tf.math.log(pt), -1)


@good(MASK, MAP)
def dice(y_true, y_pred):
    axes = [1, 2, 3]
    overlap = tf.reduce_sum(y_true * y_pred, axes)
    return 1 - (2 * overlap + 1) / (tf.reduce_sum(y_true, axes) + tf.reduce_sum(y_pred, axes) + 1)


@good(MASK, MAP)
def tversky(y_true, y_pred):
    axes = [1, 2, 3]
    tp = tf.reduce_sum(y_true * y_pred, axes)
    fp, fn = tf.reduce_sum((1 - y_true) * y_pred, axes), tf.reduce_sum(y_true * (1 - y_pred), axes)
    return 1 - (tp + 1) / (tp + 0.3 * fp + 0.7 * fn + 1)


@good(ONEHOT, PROBABILITY)
def cce(y_true, y_pred):
    return -tf.reduce_sum(y_true * tf.math.log(tf.clip_by_value(y_pred, 1e-7, 1.0)), -1)


@good(ONEHOT, SCORES)
def smoothed(y_true, y_pred):
    return tf.nn.softmax_cross_entropy_with_logits(labels=0.9 * y_true + 0.025, logits=y_pred)


@good(LABEL, SCORES)
def sparse(y_true, y_pred):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred)


@good(SIGN, REAL1)
def hinge(y_true, y_pred):
    return tf.reduce_mean(tf.nn.relu(1 - y_true * y_pred), -1)


@good(REAL, REAL)
def cosine(y_true, y_pred):
    return 1 - tf.reduce_sum(tf.nn.l2_normalize(y_true, -1) * tf.nn.l2_normalize(y_pred, -1), -1)


# ---- wrong sign


@bad(REAL, REAL)
def minus_mse(y_true, y_pred):
    return -tf.reduce_mean(tf.square(y_true - y_pred), -1)


@bad(BINARY, UNIT)
def bce_without_minus(y_true, y_pred):
    p = tf.clip_by_value(y_pred, 1e-7, 1 - 1e-7)
    return tf.reduce_mean(y_true * tf.math.log(p) + (1 - y_true) * tf.math.log(1 - p), -1)


@bad(MASK, MAP)
def dice_score(y_true, y_pred):
    axes = [1, 2, 3]
    return (2 * tf.reduce_sum(y_true * y_pred, axes) + 1) / (tf.reduce_sum(y_true + y_pred, axes) + 1)


@bad(REAL, REAL)
def error_added(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true + y_pred), -1)


@bad(ONEHOT, PROBABILITY)
def log_likelihood(y_true, y_pred):
    return tf.reduce_sum(y_true * tf.math.log(y_pred + 1e-7), -1)


# ---- pairs mixed


@bad("float32[B] real", REAL1)
def batch_against_column(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred))


@bad(REAL1, REAL1)
def squeezed_prediction(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_true - tf.squeeze(y_pred, -1)), -1)


@bad(REAL, REAL)
def means_compared(y_true, y_pred):
    return tf.square(tf.reduce_mean(y_true) - tf.reduce_mean(y_pred))


@bad(BINARY, UNIT)
def sorted_first(y_true, y_pred):
    return tf.reduce_mean(tf.square(tf.sort(y_true, axis=0) - tf.sort(y_pred, axis=0)), -1)


# ---- metric as loss


@bad(BINARY, UNIT)
def error_rate(y_true, y_pred):
    return tf.reduce_mean(tf.cast(tf.not_equal(y_pred > 0.5, y_true > 0.5), tf.float32), -1)


@bad(ONEHOT, PROBABILITY)
def argmax_error(y_true, y_pred):
    wrong = tf.not_equal(tf.argmax(y_true, -1), tf.argmax(y_pred, -1))
    return tf.cast(wrong, tf.float32)


@bad(MASK, MAP)
def hard_iou(y_true, y_pred):
    hard = tf.round(y_pred)
    overlap = tf.reduce_sum(y_true * hard, [1, 2, 3])
    return 1 - overlap / (tf.reduce_sum(y_true + hard, [1, 2, 3]) - overlap + 1e-6)


# ---- dead gradient


@bad(SIGN, REAL1)
def perceptron_of_signs(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - tf.sign(y_pred)), -1)


@bad(REAL, REAL)
def clipped_error(y_true, y_pred):
    return tf.reduce_mean(tf.minimum(tf.square(y_true - y_pred), 1e-6), -1)


@bad(BINARY, UNIT)
def stopped(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - tf.stop_gradient(y_pred)), -1) + 0.0 * tf.reduce_mean(y_pred, -1)


@bad(ONEHOT, SCORES)
def saturated(y_true, y_pred):
    return keras.losses.categorical_crossentropy(y_true, tf.nn.softmax(1e4 * y_pred))


# ---- wrong scale


@bad(REAL, REAL)
def tiny(y_true, y_pred):
    return 1e-9 * tf.reduce_mean(tf.square(y_true - y_pred), -1)


@bad(REAL, REAL)
def huge(y_true, y_pred):
    return 1e7 * tf.reduce_mean(tf.square(y_true - y_pred), -1)


@bad(REAL, REAL)
def doubled_targets(y_true, y_pred):
    return tf.reduce_mean(tf.square(2.0 * y_true - y_pred), -1)


@bad("float32[B,2] unit", "float32[B,2] unit")
def bytes_against_unit(y_true, y_pred):
    return tf.reduce_mean(tf.square(255.0 * y_true - y_pred), -1)
