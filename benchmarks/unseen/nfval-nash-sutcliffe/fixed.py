import keras.ops as np


def nse_loss(y_true, y_pred):
    anomaly = y_true - np.mean(y_true, axis=1, keepdims=True)
    numerator = np.sum(np.square(y_true - y_pred), axis=1)
    denominator = np.sum(np.square(anomaly), axis=1)
    return np.divide(numerator, denominator + 0.1)
