"""Losses that look like mistakes of gradient or direction and are none."""

import functools

import numpy as np
import tensorflow as tf


def several_quantiles(y_true, y_pred):
    """The columns of y_pred are the quantiles 0.1, 0.5 and 0.9 of one target."""
    levels = tf.constant([0.1, 0.5, 0.9])
    error = y_true - y_pred
    return tf.reduce_sum(tf.where(error >= 0.0, levels * error, (levels - 1.0) * error), axis=-1)


def smooth_hinge(y_true, y_pred):
    margin = y_true * y_pred
    flat = tf.zeros_like(margin)
    loss = tf.where(margin >= 1.0, flat, tf.where(margin <= 0.0, 0.5 - margin, 0.5 * tf.square(1.0 - margin)))
    return tf.reduce_mean(loss, axis=-1)


def entropy_regularised(y_true, y_pred):
    """Cross-entropy with a bonus for uncertain answers (confidence penalty)."""
    log_p = tf.nn.log_softmax(y_pred)
    entropy = -tf.reduce_sum(tf.exp(log_p) * log_p, axis=-1)
    return -tf.reduce_sum(y_true * log_p, axis=-1) - 0.1 * entropy


def policy_gradient(y_true, y_pred):
    """Advantages at the action taken, zero elsewhere."""
    return -tf.reduce_sum(y_true * tf.nn.log_softmax(y_pred), axis=-1)


def actor_of_ddpg(y_true, y_pred):
    """The critic's value of the actor's action is maximised."""
    return -tf.squeeze(y_pred, axis=-1)


def straight_through_bits(y_true, y_pred):
    hard = tf.cast(y_pred > 0.5, y_pred.dtype)
    bits = y_pred + tf.stop_gradient(hard - y_pred)
    return tf.reduce_mean(tf.square(y_true - bits), axis=-1)


def straight_through_round(y_true, y_pred):
    rounded = y_pred + tf.stop_gradient(tf.round(y_pred) - y_pred)
    return tf.reduce_mean(tf.abs(y_true - rounded), axis=-1)


def shifted_softmax(y_true, y_pred):
    shifted = y_pred - tf.stop_gradient(tf.reduce_max(y_pred, axis=-1, keepdims=True))
    return tf.math.log(tf.reduce_sum(tf.exp(shifted), axis=-1)) - tf.reduce_sum(y_true * shifted, axis=-1)


def focal_detached(y_true, y_pred):
    """The focusing weight is a weight: no gradient through it."""
    p = tf.clip_by_value(y_pred, 1e-7, 1.0 - 1e-7)
    right = y_true * p + (1.0 - y_true) * (1.0 - p)
    weight = tf.stop_gradient(tf.square(1.0 - right))
    return -tf.reduce_mean(weight * tf.math.log(right), axis=-1)


def temporal_difference(y_true, y_pred):
    """Columns of y_pred: value of this state, value of the next one (a target, so it is held)."""
    now, following = y_pred[:, 0], y_pred[:, 1]
    target = y_true[:, 0] + 0.99 * tf.stop_gradient(following)
    return 0.5 * tf.square(target - now)


def vector_quantiser(y_true, y_pred):
    """Codebook and commitment terms of a VQ-VAE; columns: encoder output, code."""
    encoded, code = tf.split(y_pred, 2, axis=-1)
    codebook = tf.reduce_mean(tf.square(tf.stop_gradient(encoded) - code), axis=-1)
    commitment = tf.reduce_mean(tf.square(encoded - tf.stop_gradient(code)), axis=-1)
    return codebook + 0.25 * commitment


def clipped_surrogate(y_true, y_pred):
    """PPO: y_true holds the old log-probability and the advantage."""
    ratio = tf.exp(tf.clip_by_value(y_pred[:, 0] - y_true[:, 0], -20.0, 20.0))
    advantage = y_true[:, 1]
    clipped = tf.clip_by_value(ratio, 0.8, 1.2)
    return -tf.minimum(ratio * advantage, clipped * advantage)


@tf.custom_gradient
def reverse(x):
    """Gradient reversal for a domain classifier (Ganin and Lempitsky 2015)."""
    return tf.identity(x), lambda upstream: -upstream


def domain_confusion(y_true, y_pred):
    logits = reverse(y_pred)
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=logits)[:, 0]


def hits_as_weight(y_true, y_pred):
    """A comparison decides the weight only: over-forecasts cost three times as much."""
    weight = tf.where(y_pred > y_true, 3.0, 1.0)
    return tf.reduce_mean(weight * tf.square(y_true - y_pred), axis=-1)


@tf.custom_gradient
def quantise(x):
    """Round, with the gradient of the identity."""
    return tf.round(x * 255.0) / 255.0, lambda upstream: upstream


def quantised_error(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - quantise(y_pred)), axis=-1)


@functools.cache
def taper(length):
    """Cached as an array, which belongs to no graph."""
    return np.linspace(1.0, 0.1, length, dtype="float32")


def tapered_error(y_true, y_pred):
    return tf.reduce_mean(taper(6) * tf.square(y_true - y_pred), axis=-1)


def distilled(y_true, y_pred):
    """Targets are the logits of a teacher."""
    wanted = tf.nn.softmax(y_true / 2.0)
    return 4.0 * tf.nn.softmax_cross_entropy_with_logits(labels=wanted, logits=y_pred / 2.0)


def of_mean_one(y_true, y_pred):
    """The weights are scaled to a mean of 1 over the batch, and no gradient goes through that."""
    weights = tf.stop_gradient(tf.reduce_mean(tf.square(y_true - y_pred), axis=-1) + 0.1)
    return weights / tf.reduce_mean(weights) * tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)


def normalised_scores(y_true, y_pred):
    """Positive scores, made shares by hand."""
    scores = tf.nn.softplus(y_pred) + 1e-3
    shares = scores / tf.reduce_sum(scores, axis=-1, keepdims=True)
    return -tf.reduce_sum(y_true * tf.math.log(tf.clip_by_value(shares, 1e-7, 1.0)), axis=-1)
