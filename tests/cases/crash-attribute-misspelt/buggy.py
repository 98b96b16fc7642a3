"""Squared hinge with a margin."""
import keras
from keras import ops


class MarginLoss(keras.losses.Loss):
    def __init__(self, margin=1.0, name="margin_loss"):
        super().__init__(name=name)
        self.margin = margin

    def call(self, y_true, y_pred):
        short = ops.maximum(self._margin - y_true * y_pred, 0.0)
        return ops.mean(ops.square(short), axis=-1)

    def get_config(self):
        return {"margin": self.margin, "name": self.name}
