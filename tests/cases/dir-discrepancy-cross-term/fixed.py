"""Clouds of points are compared by a kernel, without an order of the points."""
import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="clouds")
class MeanDiscrepancy(keras.losses.Loss):
    def __init__(self, widths=(0.5, 2.0, 8.0), name="mean_discrepancy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.widths = tuple(widths)

    def mean_kernel(self, first, second):
        difference = first[:, :, tf.newaxis, :] - second[:, tf.newaxis, :, :]
        squared = tf.reduce_sum(tf.square(difference), axis=-1)
        kernel = tf.add_n([tf.exp(-squared / (2.0 * width**2)) for width in self.widths])
        return tf.reduce_mean(kernel, axis=[1, 2])

    def call(self, y_true, y_pred):
        within_true = self.mean_kernel(y_true, y_true)
        within = self.mean_kernel(y_pred, y_pred)
        between = self.mean_kernel(y_true, y_pred)
        return within_true + within - 2.0 * between

    def get_config(self):
        return {**super().get_config(), "widths": self.widths}
