import keras
from keras import ops


def huber(y_true, y_pred):
    error = ops.abs(y_true - y_pred)
    small = 0.5 * ops.square(error)
    return ops.mean(ops.where(error < 1.0, small, error - 0.5), axis=-1)
