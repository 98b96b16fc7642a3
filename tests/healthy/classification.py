"""Cross-entropies and what is used instead of them under label noise and imbalance."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K

COUNTS = np.array([500.0, 200.0, 100.0, 50.0, 10.0], np.float32)


def smoothed_crossentropy(y_true, y_pred, smoothing=0.1):
    classes = tf.cast(tf.shape(y_true)[-1], y_pred.dtype)
    targets = y_true * (1.0 - smoothing) + smoothing / classes
    return -tf.reduce_sum(targets * tf.nn.log_softmax(y_pred), axis=-1)


def poly1(y_true, y_pred, epsilon=1.0):
    p_t = tf.reduce_sum(y_true * tf.nn.softmax(y_pred, axis=-1), axis=-1)
    return tf.nn.softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred) + epsilon * (1.0 - p_t)


def symmetric_crossentropy(alpha=0.1, beta=1.0):
    def loss(y_true, y_pred):
        true, pred = y_true, y_pred
        forward = -tf.reduce_sum(true * tf.math.log(tf.clip_by_value(pred, 1e-7, 1.0)), axis=-1)
        backward = -tf.reduce_sum(pred * tf.math.log(tf.clip_by_value(true, 1e-4, 1.0)), axis=-1)
        return alpha * forward + beta * backward

    return loss


def generalised_crossentropy(y_true, y_pred, q=0.7):
    p_t = ops.sum(y_true * ops.clip(y_pred, 1e-7, 1.0), axis=-1)
    return (1.0 - ops.power(p_t, q)) / q


def _log_t(x, t):
    return (tf.pow(x, 1.0 - t) - 1.0) / (1.0 - t)


def _exp_t(x, t):
    return tf.pow(tf.nn.relu(1.0 + (1.0 - t) * x), 1.0 / (1.0 - t))


def _tempered_softmax(logits, t, iterations=5):
    largest = tf.reduce_max(logits, axis=-1, keepdims=True)
    shifted = logits - largest
    normalised = shifted
    for _ in range(iterations):
        partition = tf.reduce_sum(_exp_t(normalised, t), axis=-1, keepdims=True)
        normalised = shifted * tf.pow(partition, 1.0 - t)
    partition = tf.reduce_sum(_exp_t(normalised, t), axis=-1, keepdims=True)
    constant = -_log_t(1.0 / partition, t) + largest
    return _exp_t(logits - constant, t)


def bi_tempered(y_true, y_pred, t1=0.8, t2=1.2):
    p = _tempered_softmax(y_pred, t2)
    first = y_true * (_log_t(y_true + 1e-10, t1) - _log_t(p + 1e-10, t1))
    second = (tf.pow(y_true, 2.0 - t1) - tf.pow(p + 1e-10, 2.0 - t1)) / (2.0 - t1)
    return tf.reduce_sum(first - second, axis=-1)


def taylor_crossentropy(y_true, y_pred, order=4):
    wrong = 1.0 - tf.reduce_sum(y_true * tf.nn.softmax(y_pred), axis=-1)
    return tf.add_n([tf.pow(wrong, float(k)) / k for k in range(1, order + 1)])


def normalised_crossentropy(y_true, y_pred):
    log_p = tf.maximum(tf.nn.log_softmax(y_pred), -20.0)
    return tf.reduce_sum(y_true * log_p, axis=-1) / tf.reduce_sum(log_p, axis=-1)


def hard_bootstrap(y_true, y_pred, beta=0.8):
    p = K.clip(y_pred, K.epsilon(), 1.0 - K.epsilon())
    own = K.one_hot(K.argmax(p, axis=-1), 5)
    return -K.sum((beta * y_true + (1.0 - beta) * own) * K.log(p), axis=-1)


def confidence_penalty(y_true, y_pred, beta=0.1):
    log_p = tf.nn.log_softmax(y_pred, axis=-1)
    entropy = -tf.reduce_sum(tf.exp(log_p) * log_p, axis=-1)
    return -tf.reduce_sum(y_true * log_p, axis=-1) - beta * entropy


def class_balanced(y_true, y_pred, beta=0.999):
    weights = (1.0 - beta) / (1.0 - np.power(beta, COUNTS))
    weights = (weights / weights.sum() * len(COUNTS)).astype(np.float32)
    labels = tf.cast(y_true, tf.int32)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=y_pred)
    return tf.gather(weights, labels) * entropy


def logit_adjusted(y_true, y_pred, tau=1.0):
    prior = np.log(COUNTS / COUNTS.sum()).astype(np.float32)
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred + tau * prior, from_logits=True)


def ldam(y_true, y_pred, margin=0.5, scale=30.0):
    margins = 1.0 / np.sqrt(np.sqrt(COUNTS))
    margins = tf.constant(margins * (margin / margins.max()), tf.float32)
    return tf.nn.softmax_cross_entropy_with_logits(labels=y_true, logits=scale * (y_pred - margins * y_true))


def weighted_bce(y_true, y_pred, weight_zero=0.3, weight_one=0.7):
    entropy = K.binary_crossentropy(y_true, y_pred)
    weights = y_true * weight_one + (1.0 - y_true) * weight_zero
    return K.mean(weights * entropy, axis=-1)


def multiclass_hinge(y_true, y_pred):
    right = tf.reduce_sum(y_true * y_pred, axis=-1)
    wrong = tf.reduce_max((1.0 - y_true) * y_pred - y_true * 1e6, axis=-1)
    return tf.maximum(0.0, wrong - right + 1.0)


def brier(y_true, y_pred):
    return ops.sum(ops.square(y_pred - y_true), axis=-1)


def distillation(temperature=4.0):
    def loss(teacher_logits, student_logits):
        teacher = tf.nn.softmax(teacher_logits / temperature)
        log_teacher = tf.nn.log_softmax(teacher_logits / temperature)
        log_student = tf.nn.log_softmax(student_logits / temperature)
        return temperature**2 * tf.reduce_sum(teacher * (log_teacher - log_student), axis=-1)

    return loss


def distillation_with_labels(targets, logits, alpha=0.3, temperature=2.0):
    hard = tf.nn.sparse_softmax_cross_entropy_with_logits(targets["label"], logits)
    soft = tf.nn.softmax_cross_entropy_with_logits(
        tf.nn.softmax(targets["teacher"] / temperature), logits / temperature
    )
    return alpha * hard + (1.0 - alpha) * temperature**2 * soft


def jensen_shannon(y_true, y_pred):
    p = K.clip(y_true, K.epsilon(), 1.0)
    q = K.clip(y_pred, K.epsilon(), 1.0)
    middle = 0.5 * (p + q)
    return 0.5 * K.sum(p * K.log(p / middle), axis=-1) + 0.5 * K.sum(q * K.log(q / middle), axis=-1)


def evidential_mse(y_true, y_pred):
    alpha = tf.nn.softplus(y_pred) + 1.0
    strength = tf.reduce_sum(alpha, axis=-1, keepdims=True)
    p = alpha / strength
    error = tf.reduce_sum(tf.square(y_true - p) + p * (1.0 - p) / (strength + 1.0), axis=-1)
    wrong = y_true + (1.0 - y_true) * alpha
    total = tf.reduce_sum(wrong, axis=-1)
    divergence = (
        tf.math.lgamma(total)
        - tf.math.lgamma(tf.constant(4.0))
        - tf.reduce_sum(tf.math.lgamma(wrong), axis=-1)
        + tf.reduce_sum((wrong - 1.0) * (tf.math.digamma(wrong) - tf.math.digamma(total)[:, None]), axis=-1)
    )
    return error + 0.1 * divergence
