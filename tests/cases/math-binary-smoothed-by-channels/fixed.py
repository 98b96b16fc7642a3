"""Cross-entropy of a map, with smoothed labels."""
import keras
import tensorflow as tf


class SmoothedMap(keras.losses.Loss):
    def __init__(self, smoothing=0.2, name="smoothed_map", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        classes = 2.0
        labels = (1.0 - self.smoothing) * y_true + self.smoothing / classes
        cross = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=y_pred)
        return tf.reduce_mean(cross, axis=[1, 2, 3])

    def get_config(self):
        return {**super().get_config(), "smoothing": self.smoothing}
