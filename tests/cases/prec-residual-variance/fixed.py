import tensorflow as tf


def second_moment(x):
    return tf.reduce_mean(x ** 2, axis=-1)


class SpreadAndBias(tf.keras.losses.Loss):
    """Spread of the residuals, and a Huber term for their mean."""

    def __init__(self, bias_weight=0.0):
        super().__init__()
        self.bias_weight = bias_weight

    def call(self, y_true, y_pred):
        residual = y_true - y_pred
        bias = tf.reduce_mean(residual, axis=-1)
        spread = second_moment(residual - bias[:, None])
        return spread + self.bias_weight * tf.abs(bias)
