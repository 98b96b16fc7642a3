import tensorflow as tf

DELTA = 2.0


@tf.custom_gradient
def robust(x):
    size = tf.abs(x)
    value = tf.where(size <= DELTA, 0.5 * x * x, DELTA * size - 0.5 * DELTA**2)

    def grad(upstream):
        slope = tf.where(size > DELTA, x, DELTA * tf.sign(x))
        return upstream * slope

    return value, grad


class Robust(tf.keras.losses.Loss):
    def call(self, y_true, y_pred):
        return tf.reduce_mean(robust(y_pred - y_true), axis=-1)
