from tensorflow.keras import backend as K


def dice_coef(y_true, y_pred, smooth=1.0):
    inter = K.sum(y_true * y_pred, axis=-1)
    return (2.0 * inter + smooth) / (K.sum(y_true, axis=-1) + K.sum(y_pred, axis=-1) + smooth)


def dice_coef_loss(y_true, y_pred):
    return dice_coef(y_true, y_pred)
