"""Dice averaged over the classes."""
from tensorflow.keras import backend as K

SMOOTH = 1.0


def class_dice(y_true, y_pred):
    overlap = K.sum(y_true * y_pred, axis=(1, 2))
    total = K.sum(y_true, axis=(1, 2)) + K.sum(y_pred, axis=(1, 2))
    score = (2.0 * overlap + SMOOTH) / (total + SMOOTH)
    return 1.0 - K.mean(score, axis=-1)
