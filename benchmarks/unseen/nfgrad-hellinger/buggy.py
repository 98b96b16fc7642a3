import numpy as np
from tensorflow.keras import backend as K


def hellinger(y_true, y_pred):
    gap = K.sqrt(y_true) - K.sqrt(y_pred)
    return K.sum(K.square(gap), axis=-1) / np.sqrt(2.0)
