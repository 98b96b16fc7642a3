"""Share of the variance of each signal that is left unexplained."""
import keras
import tensorflow as tf


class ExplainedVariance(keras.losses.Loss):
    def call(self, y_true, y_pred):
        residual = tf.reduce_sum(tf.square(y_true - y_pred), axis=1)
        mean = tf.reduce_mean(y_true, axis=1, keepdims=True)
        total = tf.reduce_sum(tf.square(y_true - mean), axis=1)
        return residual / (total + 1e-3)
