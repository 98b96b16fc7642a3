import keras
from keras import ops


class RMSE(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.sqrt(ops.mean(ops.square(y_pred - y_true), axis=-1) + 1e-6)
