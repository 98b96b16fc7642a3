"""Losses of ragged tensors: rows of any length, of which some are empty."""

import keras
import tensorflow as tf


def mean_of_rows(y_true, y_pred):
    total = tf.reduce_sum(tf.square(y_true - y_pred), axis=1)
    return tf.math.divide_no_nan(total, tf.cast(y_true.row_lengths(), total.dtype))


def masked_mean(y_true, y_pred):
    error = tf.square(y_true - y_pred).to_tensor()
    mask = tf.sequence_mask(y_true.row_lengths(), tf.shape(error)[1], dtype=error.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(error * mask, axis=1), tf.reduce_sum(mask, axis=1))


def padded_sum(y_true, y_pred):
    """The zeros of the padding add nothing, and the lengths are those of the rows."""
    error = tf.abs(y_true - y_pred)
    counts = tf.maximum(tf.cast(error.row_lengths(), tf.float32), 1.0)
    return tf.reduce_sum(error.to_tensor(), axis=1) / counts


def sum_of_rows(y_true, y_pred):
    return tf.reduce_sum(tf.abs(y_true - y_pred), axis=1)


def binary(y_true, y_pred):
    target, score = y_true.flat_values, y_pred.flat_values
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=score)
    rows = y_pred.with_flat_values(losses)
    return tf.reduce_sum(rows, axis=1) / tf.cast(tf.maximum(rows.row_lengths(), 1), losses.dtype)


def tokens(y_true, y_pred):
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y_true.flat_values, logits=y_pred.flat_values)
    rows = tf.RaggedTensor.from_row_splits(losses, y_pred.row_splits)
    return tf.math.divide_no_nan(tf.reduce_sum(rows, axis=1), tf.cast(rows.row_lengths(), losses.dtype))


def how_many(y_true, y_pred):
    """The length of the row is what is predicted."""
    count = tf.cast(y_true.row_lengths(), y_pred.dtype)[:, tf.newaxis]
    return tf.reduce_mean(tf.square(count - y_pred), axis=-1)


class RaggedHuber(keras.losses.Loss):
    def __init__(self, delta=1.0, **kwargs):
        super().__init__(**kwargs)
        self.delta = delta

    def call(self, y_true, y_pred):
        error = tf.abs(y_true.values - y_pred.values)
        small = 0.5 * tf.square(error)
        large = self.delta * (error - 0.5 * self.delta)
        rows = y_pred.with_values(tf.where(error < self.delta, small, large))
        return tf.reduce_sum(rows, axis=1) / tf.cast(tf.maximum(rows.row_lengths(), 1), tf.float32)

    def get_config(self):
        return {**super().get_config(), "delta": self.delta}
