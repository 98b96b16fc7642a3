import math
import tensorflow as tf


class AdditiveAngle(tf.keras.losses.Loss):
    """y_pred holds cosines."""

    def __init__(self, m=0.5, s=30.0):
        super().__init__()
        self.cos_m, self.sin_m, self.s = math.cos(m), math.sin(m), s

    def call(self, y_true, y_pred):
        cos_t = tf.clip_by_value(y_pred, -1.0, 1.0)
        sin_t = tf.sqrt(tf.maximum(1.0 - tf.square(cos_t), 1e-6))
        shifted = cos_t * self.cos_m - sin_t * self.sin_m
        logits = self.s * tf.where(y_true > 0.0, shifted, cos_t)
        return tf.nn.softmax_cross_entropy_with_logits(y_true, logits)
