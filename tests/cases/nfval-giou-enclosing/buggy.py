from keras import ops


def _area(box):
    return ops.maximum(box[:, 2] - box[:, 0], 0.0) * ops.maximum(box[:, 3] - box[:, 1], 0.0)


def iou_loss(y_true, y_pred):
    top_left = ops.maximum(y_true[:, :2], y_pred[:, :2])
    bottom_right = ops.minimum(y_true[:, 2:], y_pred[:, 2:])
    sides = ops.maximum(bottom_right - top_left, 0.0)
    inter = sides[:, 0] * sides[:, 1]
    union = _area(y_true) + _area(y_pred) - inter
    distance = ops.mean(ops.abs(y_true - y_pred), axis=-1)
    return 1.0 - inter / union + distance
