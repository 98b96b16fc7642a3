import tensorflow as tf


class ImbalancedBCE(tf.keras.losses.Loss):
    def __init__(self, pos_weight=100.0):
        super().__init__(dtype="float16")
        self.pos_weight = pos_weight

    def call(self, y_true, y_pred):
        p = tf.clip_by_value(y_pred, 1e-3, 1.0 - 1e-3)
        weight = 1.0 + self.pos_weight * y_true
        bce = -y_true * tf.math.log(p) - (1.0 - y_true) * tf.math.log(1.0 - p)
        return tf.reduce_mean(weight * bce, axis=-1)
