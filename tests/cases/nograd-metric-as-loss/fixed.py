import keras


def inverted_accuracy(y_true, y_pred):
    return keras.losses.binary_crossentropy(y_true, y_pred)
