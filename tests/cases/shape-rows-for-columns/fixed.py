"""The network stacks distance to the positive and to the negative as two columns."""
from tensorflow.keras import backend as K

MARGIN = 0.2


def triplet_loss(_, y_pred):
    positive_d = y_pred[:, 0]
    negative_d = y_pred[:, 1]
    return K.maximum(0.0, MARGIN + K.square(positive_d) - K.square(negative_d))
