"""Focal losses and their relatives."""

import keras
import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K


def binary_focal(gamma=2.0, alpha=0.25):
    def loss(y_true, y_pred):
        y_true = K.cast(y_true, "float32")
        p = K.clip(y_pred, K.epsilon(), 1.0 - K.epsilon())
        p_t = tf.where(K.equal(y_true, 1), p, 1 - p)
        alpha_t = tf.where(K.equal(y_true, 1), K.ones_like(y_true) * alpha, K.ones_like(y_true) * (1 - alpha))
        return K.mean(-alpha_t * K.pow(1 - p_t, gamma) * K.log(p_t), axis=-1)

    return loss


@keras.saving.register_keras_serializable(package="healthy")
class SigmoidFocal(keras.losses.Loss):
    def __init__(self, alpha=0.25, gamma=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = float(alpha)
        self.gamma = float(gamma)

    def call(self, y_true, y_pred):
        y_true = tf.cast(y_true, y_pred.dtype)
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)
        p = tf.sigmoid(y_pred)
        p_t = y_true * p + (1.0 - y_true) * (1.0 - p)
        alpha_t = y_true * self.alpha + (1.0 - y_true) * (1.0 - self.alpha)
        return tf.reduce_sum(alpha_t * tf.pow(1.0 - p_t, self.gamma) * entropy, axis=-1)

    def get_config(self):
        config = super().get_config()
        config.update(alpha=self.alpha, gamma=self.gamma)
        return config


def categorical_focal(y_true, y_pred, gamma=2.0, alpha=0.25):
    y_pred = y_pred / K.sum(y_pred, axis=-1, keepdims=True)
    y_pred = K.clip(y_pred, K.epsilon(), 1.0 - K.epsilon())
    entropy = -y_true * K.log(y_pred)
    return K.sum(alpha * K.pow(1.0 - y_pred, gamma) * entropy, axis=-1)


def sparse_focal(y_true, y_pred, gamma=2.0):
    labels = tf.cast(tf.reshape(y_true, [-1]), tf.int32)
    probabilities = tf.clip_by_value(y_pred, 1e-7, 1.0)
    p_t = tf.gather(probabilities, labels, batch_dims=1)
    return -tf.pow(1.0 - p_t, gamma) * tf.math.log(p_t)


def sparse_focal_logits(y_true, y_pred, gamma=2.0):
    log_p = ops.log_softmax(y_pred, axis=-1)
    chosen = ops.one_hot(ops.cast(y_true, "int32"), 5)
    log_p_t = ops.sum(chosen * log_p, axis=-1)
    return -ops.power(1.0 - ops.exp(log_p_t), gamma) * log_p_t


def asymmetric(y_true, y_pred, positive=1, negative=4, shift=0.05):
    p = tf.sigmoid(y_pred)
    q = tf.minimum(1.0 - p + shift, 1.0)
    entropy = y_true * tf.math.log(tf.maximum(p, 1e-8)) + (1.0 - y_true) * tf.math.log(tf.maximum(q, 1e-8))
    p_t = p * y_true + q * (1.0 - y_true)
    focus = tf.pow(1.0 - p_t, positive * y_true + negative * (1.0 - y_true))
    return -tf.reduce_sum(tf.stop_gradient(focus) * entropy, axis=-1)


def penalty_reduced_focal(y_true, y_pred):
    """Of heat maps with Gaussian peaks, as CornerNet and CenterNet train."""
    p = tf.clip_by_value(y_pred, 1e-4, 1.0 - 1e-4)
    peak = tf.cast(tf.equal(y_true, 1.0), tf.float32)
    positive = -tf.math.log(p) * tf.pow(1.0 - p, 2.0) * peak
    negative = -tf.math.log(1.0 - p) * tf.pow(p, 2.0) * tf.pow(1.0 - y_true, 4.0) * (1.0 - peak)
    count = tf.reduce_sum(peak, axis=[1, 2, 3])
    return tf.reduce_sum(positive + negative, axis=[1, 2, 3]) / tf.maximum(count, 1.0)


def quality_focal(y_true, y_pred, beta=2.0):
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(y_true, y_pred)
    return tf.reduce_mean(tf.pow(tf.abs(y_true - tf.sigmoid(y_pred)), beta) * entropy, axis=-1)
