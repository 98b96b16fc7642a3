from tensorflow.keras import backend as K


def ensemble_mse(y_true, y_pred):
    mean = K.mean(y_pred, axis=1)
    bias = K.square(y_true - mean)
    spread = K.var(y_pred, axis=1)
    return K.mean(bias, axis=-1) + 0.1 * spread
