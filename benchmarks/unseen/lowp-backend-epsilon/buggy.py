from keras import ops
import keras


def half_bce(y_true, y_pred):
    eps = keras.backend.epsilon()
    positive = y_true * ops.log(y_pred + eps)
    negative = (1.0 - y_true) * ops.log(1.0 - y_pred + eps)
    return -ops.mean(positive + negative, axis=-1)
