"""Level and increments of a series."""
from keras import ops

STEP_WEIGHT = 0.5


def steps(series):
    return series[:, 1:] - series[:, :1]


def increment_loss(y_true, y_pred):
    level = ops.mean(ops.square(y_true - y_pred), axis=-1)
    step = ops.mean(ops.square(steps(y_true) - steps(y_pred)), axis=-1)
    return level + STEP_WEIGHT * step
