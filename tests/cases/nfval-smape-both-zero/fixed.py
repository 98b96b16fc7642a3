import tensorflow as tf
from tensorflow.keras.losses import Loss


class SMAPE(Loss):
    def __init__(self, scale=200.0):
        super().__init__(name="smape")
        self.scale = scale

    def call(self, y_true, y_pred):
        top = tf.abs(tf.subtract(y_pred, y_true))
        bottom = tf.add(tf.abs(y_true), tf.abs(y_pred))
        return self.scale * tf.reduce_mean(tf.divide(top, bottom + 1.0), axis=-1)
