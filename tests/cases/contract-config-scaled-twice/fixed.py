"""Huber loss whose delta is given for the sum of three outputs."""
import keras
from keras import ops


@keras.saving.register_keras_serializable(package="demo")
class ScaledHuber(keras.losses.Loss):
    def __init__(self, delta=3.0, name="scaled_huber", **kwargs):
        super().__init__(name=name, **kwargs)
        self.delta = delta

    def call(self, y_true, y_pred):
        delta = self.delta / 3.0
        error = ops.abs(y_true - y_pred)
        small = 0.5 * ops.square(error)
        large = delta * (error - 0.5 * delta)
        return ops.mean(ops.where(error <= delta, small, large), axis=-1)

    def get_config(self):
        return {**super().get_config(), "delta": self.delta}
