import tensorflow as tf


def factor(raw):
    low = tf.stack([raw[:, 0], tf.zeros_like(raw[:, 0]), raw[:, 1], raw[:, 2]], axis=-1)
    low = tf.reshape(low, [-1, 2, 2])
    return tf.linalg.set_diag(low, tf.nn.softplus(tf.linalg.diag_part(low)))


def multivariate_nll(y_true, y_pred):
    scale = factor(y_pred[:, 2:])
    gap = tf.expand_dims(y_true - y_pred[:, :2], -1)
    white = tf.linalg.triangular_solve(scale, gap)
    log_det = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(scale)), axis=-1)
    return log_det + 0.5 * tf.reduce_sum(tf.square(white), axis=[1, 2])
