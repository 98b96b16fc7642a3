"""y_true says which pictures are real."""
import keras
from keras import ops


class DiscriminatorLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        as_real = ops.softplus(-y_pred)
        as_generated = ops.softplus(y_pred)
        return ops.mean(y_true * as_real + (1.0 - y_true) * as_generated, axis=-1)
