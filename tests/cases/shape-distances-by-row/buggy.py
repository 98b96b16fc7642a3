"""The siamese model gives two columns: distance to the positive, distance to the negative."""
from tensorflow.keras import backend as K

MARGIN = 1.0


def triplet_margin(y_true, y_pred):
    positive = y_pred[0]
    negative = y_pred[1]
    return K.maximum(0.0, MARGIN + K.square(positive) - K.square(negative))
