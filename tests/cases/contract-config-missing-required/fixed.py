import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="cases")
class HuberAt(keras.losses.Loss):
    def __init__(self, delta, name="huber_at", **kwargs):
        super().__init__(name=name, **kwargs)
        self.delta = delta

    def call(self, y_true, y_pred):
        size = tf.abs(y_true - y_pred)
        inner = tf.minimum(size, self.delta)
        return tf.reduce_mean(inner * (size - 0.5 * inner), axis=-1)

    def get_config(self):
        return {**super().get_config(), "delta": self.delta}


huber = HuberAt(1.5)
