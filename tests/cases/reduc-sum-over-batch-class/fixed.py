import keras
from keras import ops


class CountLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.sum(ops.square(ops.sqrt(y_true + 1.0) - ops.sqrt(y_pred + 1.0)), axis=-1)
