import keras


def inverted_accuracy(y_true, y_pred):
    return 1.0 - keras.metrics.binary_accuracy(y_true, y_pred)
