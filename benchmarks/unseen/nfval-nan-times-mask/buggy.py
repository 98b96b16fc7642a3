import tensorflow as tf


class MultiTask(tf.keras.losses.Loss):
    def __init__(self, delta=1.0):
        super().__init__()
        self.delta = delta

    def call(self, y_true, y_pred):
        known = tf.cast(tf.logical_not(tf.math.is_nan(y_true)), y_pred.dtype)
        error = tf.abs(y_true - y_pred)
        robust = tf.where(error < self.delta, 0.5 * error * error, self.delta * (error - 0.5 * self.delta))
        return tf.reduce_sum(robust * known, axis=-1) / (tf.reduce_sum(known, axis=-1) + 1.0)
