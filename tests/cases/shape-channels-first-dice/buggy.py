"""Dice averaged over the classes."""
from tensorflow.keras import backend as K

SMOOTH = 1.0


def class_dice(y_true, y_pred):
    overlap = K.sum(y_true * y_pred, axis=(2, 3))
    total = K.sum(y_true, axis=(2, 3)) + K.sum(y_pred, axis=(2, 3))
    score = (2.0 * overlap + SMOOTH) / (total + SMOOTH)
    return 1.0 - K.mean(score, axis=-1)
