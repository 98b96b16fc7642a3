import tensorflow as tf


class ScaledMSE(tf.keras.losses.Loss):
    loss_scale = 2.0 ** 4

    def __init__(self):
        super().__init__(dtype="float16")

    def call(self, y_true, y_pred):
        error = tf.clip_by_value(y_true - y_pred, -8.0, 8.0)
        return self.loss_scale * tf.reduce_mean(error * error, axis=-1)
