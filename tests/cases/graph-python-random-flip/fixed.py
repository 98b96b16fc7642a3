"""Cross-entropy that smooths labels by a random amount in each batch."""
import keras


class LabelNoise(keras.losses.Loss):
    def __init__(self, smoothing=0.1, **kwargs):
        super().__init__(**kwargs)
        self.smoothing = smoothing
        self.generator = keras.random.SeedGenerator(7)

    def call(self, y_true, y_pred):
        smoothing = self.smoothing * keras.random.uniform((), seed=self.generator)
        target = y_true * (1.0 - smoothing) + 0.5 * smoothing
        return keras.losses.binary_crossentropy(target, y_pred)
