import keras
from keras import ops


class GammaDeviance(keras.Loss):
    def call(self, y_true, y_pred):
        mu = ops.softplus(y_pred) + keras.config.epsilon()
        ratio = (y_true + 0.01) / (mu + 0.01)
        return 2.0 * ops.mean(ratio - 1.0 - ops.log(ratio), axis=-1)
