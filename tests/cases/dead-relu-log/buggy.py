from tensorflow.keras import backend as K


def mlae(y_true, y_pred):
    log_p = K.log(K.relu(y_pred * 1000.0) + 1.0)
    log_t = K.log(K.relu(y_true * 1000.0) + 1.0)
    return K.mean(K.abs(log_t - log_p), axis=-1)
