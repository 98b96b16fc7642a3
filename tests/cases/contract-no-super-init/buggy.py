import keras
import tensorflow as tf


class ScaledMAE(keras.losses.Loss):
    def __init__(self, scale=2.0):
        self.scale = scale

    def call(self, y_true, y_pred):
        return tf.reduce_mean(self.scale * tf.abs(y_true - y_pred), axis=-1)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}
