import keras.ops as ops


def gini(x):
    ordered = ops.sort(x, axis=-1)
    rank = ops.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    total = ops.sum(ordered, axis=-1)
    return ops.sum((2.0 * rank - x.shape[-1] - 1.0) * ordered, axis=-1) / (x.shape[-1] * total + 1e-3)


def gini_match(y_true, y_pred):
    return ops.abs(gini(y_true) - gini(y_pred))
