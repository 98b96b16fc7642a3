import tensorflow as tf


class CosineHalf(tf.keras.losses.Loss):
    def __init__(self):
        super().__init__(dtype="float16")

    def call(self, y_true, y_pred):
        a = tf.math.l2_normalize(y_true, axis=-1)
        b = tf.math.l2_normalize(y_pred, axis=-1)
        return 1.0 - tf.reduce_sum(a * b, axis=-1)
