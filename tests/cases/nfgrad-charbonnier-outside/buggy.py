from keras import ops


def charbonnier(y_true, y_pred):
    squared = ops.square(y_true - y_pred)
    penalty = ops.sqrt(squared) + 1e-6
    return ops.mean(penalty, axis=(1, 2, 3))
