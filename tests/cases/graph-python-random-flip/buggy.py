"""Cross-entropy that smooths the labels of one batch in two."""
import random

import keras


class LabelNoise(keras.losses.Loss):
    def __init__(self, rate=0.5, smoothing=0.1, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        smoothing = self.smoothing * random.random()
        target = y_true * (1.0 - smoothing) + 0.5 * smoothing
        return keras.losses.binary_crossentropy(target, y_pred)
