"""Losses of sequences with padding, alignment and repetition."""

import keras
import tensorflow as tf
from keras import ops


def masked_crossentropy(y_true, y_pred):
    """Label 0 is padding."""
    entropy = tf.keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
    mask = tf.cast(tf.not_equal(y_true, 0), entropy.dtype)
    return tf.reduce_sum(entropy * mask, axis=1) / tf.maximum(tf.reduce_sum(mask, axis=1), 1.0)


@keras.saving.register_keras_serializable(package="healthy")
class SmoothedSequence(keras.losses.Loss):
    def __init__(self, vocabulary=6, smoothing=0.1, pad=0, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary = vocabulary
        self.smoothing = smoothing
        self.pad = pad

    def call(self, y_true, y_pred):
        labels = ops.cast(y_true, "int32")
        targets = ops.one_hot(labels, self.vocabulary)
        targets = targets * (1.0 - self.smoothing) + self.smoothing / self.vocabulary
        entropy = ops.categorical_crossentropy(targets, y_pred, from_logits=True)
        mask = ops.cast(ops.not_equal(labels, self.pad), "float32")
        return ops.sum(entropy * mask, axis=-1) / (ops.sum(mask, axis=-1) + 1e-8)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary": self.vocabulary,
            "smoothing": self.smoothing,
            "pad": self.pad,
        }


def ctc(y_true, y_pred):
    batch = tf.shape(y_pred)[0]
    return tf.nn.ctc_loss(
        labels=tf.cast(y_true, tf.int32),
        logits=y_pred,
        label_length=tf.reduce_sum(tf.cast(y_true > 0, tf.int32), axis=1),
        logit_length=tf.fill([batch], tf.shape(y_pred)[1]),
        logits_time_major=False,
        blank_index=0,
    )


def unlikelihood(y_true, y_pred):
    """Rows of forbidden tokens as 0 and 1."""
    p = tf.nn.softmax(y_pred, axis=-1)
    return -tf.reduce_sum(y_true * tf.math.log(tf.clip_by_value(1.0 - p, 1e-5, 1.0)), axis=[1, 2])


def next_step(y_true, y_pred):
    """The prediction at a step is of the next one."""
    return tf.reduce_mean(tf.square(y_true[:, 1:] - y_pred[:, :-1]), axis=[1, 2])


def smooth_sequence(y_true, y_pred):
    change = tf.clip_by_value(tf.abs(y_pred[:, 1:] - y_pred[:, :-1]), 0.0, 4.0)
    return tf.reduce_mean(tf.abs(y_true - y_pred), axis=[1, 2]) + 0.15 * tf.reduce_mean(tf.square(change), axis=[1, 2])


def soft_alignment(y_true, y_pred):
    """Cheapest alignment by shifts of at most two steps, softened."""
    costs = [tf.reduce_mean(tf.square(tf.roll(y_true, shift, axis=1) - y_pred), axis=[1, 2]) for shift in range(-2, 3)]
    return -tf.reduce_logsumexp(-tf.stack(costs, axis=-1), axis=-1)
