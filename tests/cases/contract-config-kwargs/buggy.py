import keras
import tensorflow as tf


class MarginLoss(keras.losses.Loss):
    def __init__(self, margin=1.0):
        super().__init__()
        self.margin = margin

    def call(self, y_true, y_pred):
        return tf.reduce_mean(tf.nn.relu(self.margin - y_true * y_pred), axis=-1)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}
