import tensorflow as tf


class GemDistance(tf.keras.losses.Loss):
    def __init__(self, p=3.0):
        super().__init__()
        self.p = p

    def pool(self, features):
        mean = tf.reduce_mean(tf.pow(features, self.p), axis=[1, 2])
        return tf.pow(mean + 1e-6, 1.0 / self.p)

    def call(self, y_true, y_pred):
        return tf.reduce_mean(tf.abs(self.pool(y_true) - self.pool(y_pred)), axis=-1)
