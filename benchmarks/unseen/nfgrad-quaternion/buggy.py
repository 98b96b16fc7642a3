import keras
from keras import ops


def unit_quaternion(q):
    return q / ops.sqrt(ops.sum(q * q, axis=-1, keepdims=True) + 1e-6)


def quaternion_angle(y_true, y_pred):
    dot = ops.sum(unit_quaternion(y_true) * unit_quaternion(y_pred), axis=-1)
    dot = ops.minimum(ops.abs(dot), 1.0)
    return 2.0 * ops.arccos(dot)
