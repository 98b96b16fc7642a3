import tensorflow as tf


def leading(matrix, steps=3):
    v = tf.ones_like(matrix[..., :1])
    for _ in range(steps):
        v = tf.matmul(matrix, v)
        v = v / tf.norm(v, axis=-2, keepdims=True)
    return tf.reduce_sum(v * tf.matmul(matrix, v), axis=[-2, -1])


def spectral_gap(y_true, y_pred):
    return tf.abs(leading(y_true) - leading(y_pred))
