"""Entropic transport cost between two histograms with four bins."""
import keras
import tensorflow as tf


class SinkhornLoss(keras.losses.Loss):
    def __init__(self, rounds=5, **kwargs):
        super().__init__(**kwargs)
        self.rounds = rounds

    def call(self, y_true, y_pred):
        bins = tf.range(4, dtype=tf.float32)
        cost = tf.square(bins[:, None] - bins[None, :]) / 9.0
        kernel = tf.exp(-cost / 0.5)
        u = tf.ones_like(y_true)
        for _ in range(self.rounds):
            v = (y_pred + 1e-4) / tf.matmul(u, kernel)
            u = (y_true + 1e-4) / tf.matmul(v, kernel)
        return tf.reduce_sum(u * tf.matmul(v, kernel * cost), axis=-1)
