import keras
from keras import ops


class PsnrLoss(keras.losses.Loss):
    def __init__(self, max_value=1.0, **kwargs):
        super().__init__(**kwargs)
        self.max_value = max_value

    def mse(self, a, b):
        return ops.mean(ops.square(a - b), axis=(1, 2, 3))

    def call(self, y_true, y_pred):
        return 10.0 * ops.log10(self.mse(y_true, y_pred) / self.max_value ** 2)
