from keras import ops


def geometric_mean(p):
    return ops.exp(ops.mean(ops.log(p), axis=-1))


def geometric_iou(y_true, y_pred):
    agreement = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    return 1.0 - geometric_mean(agreement)
