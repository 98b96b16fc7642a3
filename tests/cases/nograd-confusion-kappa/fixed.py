import tensorflow as tf

N = 4


def _weights():
    grid = tf.range(N, dtype=tf.float32)
    return tf.square(grid[:, None] - grid[None, :]) / (N - 1.0) ** 2


def kappa_loss(y_true, y_pred):
    cost = tf.matmul(y_true, _weights())
    return tf.reduce_sum(cost * y_pred, axis=1)
