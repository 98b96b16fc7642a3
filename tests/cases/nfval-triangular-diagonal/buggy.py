import tensorflow as tf


def factor(raw):
    diagonal = tf.nn.softplus(raw[:, 1:])
    top = tf.stack([diagonal[:, 0], tf.zeros_like(raw[:, 0])], axis=-1)
    bottom = tf.stack([raw[:, 0], diagonal[:, 1]], axis=-1)
    return tf.stack([top, bottom], axis=-2)


def multivariate_nll(y_true, y_pred):
    scale = factor(y_pred[:, 2:])
    gap = tf.expand_dims(y_true - y_pred[:, :2], -1)
    white = tf.linalg.triangular_solve(scale, gap)
    log_det = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(scale)), axis=-1)
    return log_det + 0.5 * tf.reduce_sum(tf.square(white), axis=[1, 2])
