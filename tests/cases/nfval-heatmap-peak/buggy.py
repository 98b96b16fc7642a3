from keras import ops


def _normalised(heatmap):
    peak = ops.max(heatmap, axis=(1, 2), keepdims=True)
    return heatmap / peak


def heatmap_loss(y_true, y_pred):
    difference = _normalised(y_true) - y_pred
    return ops.mean(ops.square(difference), axis=(1, 2, 3))
