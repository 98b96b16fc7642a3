import tensorflow as tf


class CosineHalf(tf.keras.losses.Loss):
    def __init__(self):
        super().__init__(dtype="float16")

    def call(self, y_true, y_pred):
        a = tf.math.l2_normalize(tf.cast(y_true, tf.float32), axis=-1, epsilon=1e-6)
        b = tf.math.l2_normalize(tf.cast(y_pred, tf.float32), axis=-1, epsilon=1e-6)
        return 1.0 - tf.reduce_sum(a * b, axis=-1)
