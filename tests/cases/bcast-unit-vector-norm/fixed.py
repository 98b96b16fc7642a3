"""Angle between a predicted and a true direction, up to sign of rounding."""
import keras
from keras import ops


class DirectionLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        length = ops.sqrt(ops.sum(ops.square(y_pred), axis=-1, keepdims=True) + 1e-6)
        target_length = ops.sqrt(ops.sum(ops.square(y_true), axis=-1, keepdims=True) + 1e-6)
        unit = y_pred / length
        target = y_true / target_length
        return 1.0 - ops.sum(unit * target, axis=-1)
