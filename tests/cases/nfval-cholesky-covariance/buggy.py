import tensorflow as tf


def energy(y_true, y_pred):
    covariance = tf.matmul(y_pred, y_pred, transpose_b=True)
    factor = tf.linalg.cholesky(covariance)
    whitened = tf.linalg.triangular_solve(factor, y_true[:, :, tf.newaxis])
    return tf.reduce_mean(tf.abs(whitened), axis=[1, 2])
