"""NT-Xent on pairs of views: the first 8 numbers are one view, the last 8 the other."""
import keras
import tensorflow as tf


class NTXent(keras.losses.Loss):
    def __init__(self, batch_size=16, temperature=0.5, **kwargs):
        super().__init__(**kwargs)
        self.batch_size = batch_size
        self.temperature = temperature

    def call(self, y_true, y_pred):
        a = tf.math.l2_normalize(y_pred[:, :8], axis=1, epsilon=1e-6)
        b = tf.math.l2_normalize(y_pred[:, 8:], axis=1, epsilon=1e-6)
        ab = tf.matmul(a, b, transpose_b=True) / self.temperature
        aa = tf.matmul(a, a, transpose_b=True) / self.temperature
        aa = aa - 1e4 * tf.eye(self.batch_size)
        logits = tf.concat([ab, aa], axis=1)
        labels = tf.range(self.batch_size)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)

    def get_config(self):
        return {**super().get_config(), "batch_size": self.batch_size, "temperature": self.temperature}
