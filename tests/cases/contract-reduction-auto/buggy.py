import tensorflow as tf
from tensorflow import keras


class PinballLoss(keras.losses.Loss):
    def __init__(self, tau=0.9, name="pinball"):
        super().__init__(reduction=keras.losses.Reduction.AUTO, name=name)
        self.tau = tau

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return tf.reduce_mean(tf.maximum(self.tau * error, (self.tau - 1.0) * error), axis=-1)

    def get_config(self):
        return {**super().get_config(), "tau": self.tau}
