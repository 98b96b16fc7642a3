"""Squared error of hourly series whose gaps are coded as NaN."""
from keras import ops


def gap_mse(y_true, y_pred):
    known = ops.logical_not(ops.isnan(y_true))
    target = ops.where(known, y_true, y_pred)
    squared = ops.square(target - y_pred)
    count = ops.sum(ops.cast(known, y_pred.dtype), axis=-1)
    return ops.sum(ops.where(known, squared, 0.0), axis=-1) / ops.maximum(count, 1.0)
