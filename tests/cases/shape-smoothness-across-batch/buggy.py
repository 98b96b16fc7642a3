"""Forecast error with a penalty on jumps from one hour to the next."""
import keras
import tensorflow as tf


class SmoothForecast(keras.losses.Loss):
    def __init__(self, weight=0.1, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, y_true, y_pred):
        error = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
        jumps = y_pred[1:] - y_pred[:-1]
        return error + self.weight * tf.reduce_mean(tf.square(jumps))

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}
