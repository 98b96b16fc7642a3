import keras
from keras import ops


def _standardise(x):
    mean = ops.mean(x, axis=(1, 2), keepdims=True)
    return (x - mean) / ops.std(x, axis=(1, 2), keepdims=True)


def texture_loss(y_true, y_pred):
    return ops.mean(ops.square(_standardise(y_true) - _standardise(y_pred)), axis=(1, 2, 3))
