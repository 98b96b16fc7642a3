import math
import tensorflow as tf

ROOT2 = math.sqrt(2.0)


def survival(z):
    return 0.5 * (1.0 - tf.math.erf(z / ROOT2))


class TobitLoss(tf.keras.losses.Loss):
    """Observations of 0 are censored from below."""

    def call(self, y_true, y_pred):
        censored = tf.cast(y_true <= 0.0, y_pred.dtype)
        tail = tf.math.log(survival(y_pred))
        exact = -0.5 * tf.square(y_true - y_pred)
        return -tf.reduce_mean(censored * tail + (1.0 - censored) * exact, axis=-1)
