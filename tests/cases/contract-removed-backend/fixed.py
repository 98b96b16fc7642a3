from keras import ops as K


def jaccard_loss(y_true, y_pred):
    inter = K.sum(y_true * y_pred, axis=(1, 2, 3))
    total = K.sum(y_true + y_pred, axis=(1, 2, 3))
    return 1.0 - (inter + 1.0) / (total - inter + 1.0)
