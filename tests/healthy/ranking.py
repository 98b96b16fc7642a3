"""Survival, ordinal and ranking losses."""

import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K


def cox(y_true, y_pred):
    """Negative partial log-likelihood, Breslow's handling of ties."""
    time, event = y_true["time"], y_true["event"]
    risk = tf.reshape(y_pred, [-1])
    at_risk = time[None, :] >= time[:, None]
    total = tf.reduce_logsumexp(tf.where(at_risk, risk[None, :], -1e9), axis=1)
    return event * (total - risk)


def cox_mean(y_true, y_pred):
    """The same, over the number of events: one number for the batch."""
    return tf.math.divide_no_nan(tf.reduce_sum(cox(y_true, y_pred)), tf.reduce_sum(y_true["event"]))


def discrete_time_survival(y_true, y_pred):
    """Twelve columns: survived the interval (6), failed in it (6)."""
    n = 6
    survived = 1.0 + y_true[:, :n] * (y_pred - 1.0)
    failed = 1.0 - y_true[:, n:] * y_pred
    return K.sum(-K.log(K.clip(K.concatenate((survived, failed)), K.epsilon(), None)), axis=-1)


def log_normal_survival(y_true, y_pred):
    """Accelerated failure time with right censoring."""
    time, event = y_true["time"], y_true["event"]
    place, scale = y_pred[:, 0], tf.nn.softplus(y_pred[:, 1]) + 1e-2
    z = (tf.math.log(time) - place) / scale
    log_density = -0.5 * tf.square(z) - tf.math.log(scale)
    survival = 0.5 * tf.math.erfc(z / 1.4142135)
    return -tf.where(event > 0.5, log_density, tf.math.log(tf.maximum(survival, 1e-12)))


def coral(y_true, y_pred):
    log_p = tf.math.log_sigmoid(y_pred)
    return -tf.reduce_sum(y_true * log_p + (1.0 - y_true) * (log_p - y_pred), axis=1)


def coral_from_labels(y_true, y_pred):
    levels = tf.sequence_mask(y_true, maxlen=4, dtype=tf.float32)
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=levels, logits=y_pred), axis=-1)


def earth_mover(y_true, y_pred):
    """Squared distance of cumulative distributions (NIMA)."""
    difference = ops.cumsum(y_true, axis=-1) - ops.cumsum(y_pred, axis=-1)
    return ops.sqrt(ops.mean(ops.square(difference), axis=-1) + 1e-8)


def ordinal_penalty(y_true, y_pred):
    levels = tf.range(5, dtype=tf.float32)
    distance = tf.abs(levels[None, :] - tf.cast(y_true, tf.float32)[:, None]) / 4.0
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.cast(y_true, tf.int32), logits=y_pred)
    return entropy + tf.reduce_sum(distance * tf.nn.softmax(y_pred), axis=-1)


def pairwise_logistic(y_true, y_pred):
    """Lists of items in rows."""
    better = tf.cast(y_true[:, :, None] > y_true[:, None, :], tf.float32)
    margins = y_pred[:, :, None] - y_pred[:, None, :]
    losses = better * tf.nn.softplus(-margins)
    return tf.reduce_sum(losses, axis=[1, 2]) / tf.maximum(tf.reduce_sum(better, axis=[1, 2]), 1.0)


def list_net(y_true, y_pred):
    return -tf.reduce_sum(tf.nn.softmax(y_true) * tf.nn.log_softmax(y_pred), axis=-1)


def list_mle(y_true, y_pred):
    order = tf.argsort(y_true, axis=-1, direction="DESCENDING", stable=True)
    scores = tf.gather(y_pred, order, batch_dims=1)
    remaining = tf.math.cumulative_logsumexp(scores, axis=1, reverse=True)
    return tf.reduce_sum(remaining - scores, axis=1)


def approximate_ndcg(y_true, y_pred, temperature=0.1):
    differences = (y_pred[:, None, :] - y_pred[:, :, None]) / temperature
    ranks = tf.reduce_sum(tf.sigmoid(differences), axis=-1) + 0.5
    gains = tf.pow(2.0, y_true) - 1.0
    dcg = tf.reduce_sum(gains / tf.math.log1p(ranks), axis=-1)
    best = tf.sort(gains, axis=-1, direction="DESCENDING")
    places = tf.range(1, tf.shape(y_true)[1] + 1, dtype=tf.float32)
    ideal = tf.reduce_sum(best / tf.math.log1p(places), axis=-1)
    return -tf.math.divide_no_nan(dcg, ideal)


def bayesian_personalised(y_true, y_pred):
    """Two columns: score of the item that was chosen, and of one that was not."""
    return -tf.math.log_sigmoid(y_pred[:, 0] - y_pred[:, 1])


def margin_ranking(y_true, y_pred, margin=1.0):
    return ops.maximum(0.0, -ops.squeeze(y_true, -1) * (y_pred[:, 0] - y_pred[:, 1]) + margin)
