import tensorflow as tf


class ContrastLoss(tf.keras.losses.Loss):
    axes = (1, 2)

    def deviation(self, x):
        second = tf.reduce_mean(x * x, axis=self.axes)
        first = tf.reduce_mean(x, axis=self.axes)
        return tf.sqrt(second - first * first)

    def call(self, y_true, y_pred):
        return tf.abs(self.deviation(y_true) - self.deviation(y_pred))
