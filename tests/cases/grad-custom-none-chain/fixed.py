import tensorflow as tf


@tf.custom_gradient
def square(x):
    def grad(upstream):
        return upstream * 2.0 * x

    return x * x, grad


def clipped_loss(y_true, y_pred):
    return tf.reduce_mean(square(y_pred - y_true), axis=-1)
