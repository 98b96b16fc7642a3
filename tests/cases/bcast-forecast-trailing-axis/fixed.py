"""Absolute error that grows with the forecasting horizon."""
import keras
from keras import ops


class HorizonMAE(keras.losses.Loss):
    def __init__(self, growth=0.05, name="horizon_mae"):
        super().__init__(name=name)
        self.growth = growth

    def call(self, y_true, y_pred):
        y_pred = ops.squeeze(y_pred, axis=-1)
        steps = ops.arange(24, dtype="float32")
        weights = ops.exp(self.growth * steps)
        return ops.mean(ops.abs(y_true - y_pred) * weights, axis=-1)

    def get_config(self):
        return {"growth": self.growth, "name": self.name}
