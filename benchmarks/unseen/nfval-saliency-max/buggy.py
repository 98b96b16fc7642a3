from tensorflow.keras import backend as K

EPS = 2.2204e-16


def normalise(volume):
    peak = K.max(volume, axis=[1, 2, 3], keepdims=True)
    volume = volume / peak
    return volume / (K.sum(volume, axis=[1, 2, 3], keepdims=True) + 1e-6)


def saliency_kld(y_true, y_pred):
    p = normalise(y_pred) + 1e-6
    q = normalise(y_true) + 1e-6
    return K.sum(q * K.log(q / p), axis=[1, 2, 3])
