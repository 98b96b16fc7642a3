"""Squared error in double precision."""
import keras
import tensorflow as tf


class PreciseMSE(keras.losses.Loss):
    def call(self, y_true, y_pred):
        prediction = tf.cast(y_pred, tf.float64)
        error = y_true - prediction
        return tf.cast(tf.reduce_mean(tf.square(error), axis=-1), tf.float32)
