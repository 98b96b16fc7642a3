import tensorflow as tf


class ContrastLoss(tf.keras.losses.Loss):
    axes = (1, 2)

    def deviation(self, x):
        centred = x - tf.reduce_mean(x, axis=self.axes, keepdims=True)
        return tf.sqrt(tf.reduce_mean(centred * centred, axis=self.axes) + 1e-6)

    def call(self, y_true, y_pred):
        return tf.abs(self.deviation(y_true) - self.deviation(y_pred))
