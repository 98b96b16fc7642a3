"""Pictures should agree after a local mean, pixel by pixel to a lesser degree."""
import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="blurred")
class BlurredError(keras.losses.Loss):
    def __init__(self, window=9, sharp=0.1, name="blurred", **kwargs):
        super().__init__(name=name, **kwargs)
        self.window = window
        self.sharp = sharp

    def local_mean(self, picture):
        reach = self.window // 2
        total = tf.zeros_like(picture)
        for down in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                total += tf.roll(picture, shift=[down, right], axis=[1, 2])
        return total / self.window**2

    def call(self, y_true, y_pred):
        difference = y_true - y_pred
        blurred = tf.square(self.local_mean(difference))
        return tf.reduce_mean(blurred + self.sharp * tf.square(difference), axis=[1, 2, 3])

    def get_config(self):
        return {**super().get_config(), "window": self.window, "sharp": self.sharp}
