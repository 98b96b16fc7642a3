import tensorflow as tf


class Mase(tf.keras.losses.Loss):
    """y_true is the history (12 steps) followed by the future (12 steps)."""

    season = 1

    def naive(self, history):
        return tf.reduce_mean(tf.abs(history[:, self.season:] - history[:, :-self.season]), axis=1)

    def call(self, y_true, y_pred):
        history, future = y_true[:, :12], y_true[:, 12:]
        error = tf.reduce_mean(tf.abs(future - y_pred), axis=1)
        return error / (self.naive(history) + 1e-3)
