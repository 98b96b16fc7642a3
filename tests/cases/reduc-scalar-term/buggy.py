import keras
from keras import ops


def inpaint_loss(y_true, y_pred):
    context = ops.mean(ops.abs(y_true - y_pred), axis=(1, 2, 3))
    smooth = ops.mean(ops.square(y_pred[:, 1:] - y_pred[:, :-1]))
    return context + 0.1 * smooth
