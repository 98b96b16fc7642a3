import keras
from keras import ops


class Tversky(keras.losses.Loss):
    def __init__(self, alpha=0.3, name="tversky", **kwargs):
        super().__init__(name=name, **kwargs)
        self.alpha = alpha

    def call(self, y_true, y_pred):
        tp = ops.sum(y_true * y_pred, axis=-1)
        fp = ops.sum((1.0 - y_true) * y_pred, axis=-1)
        fn = ops.sum(y_true * (1.0 - y_pred), axis=-1)
        return 1.0 - (tp + 1.0) / (tp + self.alpha * fp + (1.0 - self.alpha) * fn + 1.0)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}
