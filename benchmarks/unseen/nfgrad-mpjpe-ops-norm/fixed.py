import keras
from keras import ops


class MPJPE(keras.losses.Loss):
    """Mean distance of the visible joints; y_true is (x, y, visible)."""

    def call(self, y_true, y_pred):
        joints, seen = y_true[..., :2], y_true[..., 2] > 0
        distance = ops.sqrt(ops.sum(ops.square(joints - y_pred), axis=-1) + 1e-8)
        weight = ops.cast(seen, distance.dtype)
        return ops.sum(weight * distance, axis=-1) / ops.maximum(ops.sum(weight, axis=-1), 1.0)
