import tensorflow as tf


def log_scale(cosine):
    theta = tf.acos(cosine)
    return tf.where(cosine < 1.0, theta / tf.sin(theta), tf.ones_like(theta))


def rotation_log(y_true, y_pred):
    relative = tf.linalg.matmul(y_true, y_pred, transpose_a=True)
    cosine = tf.clip_by_value((tf.linalg.trace(relative) - 1.0) / 2.0, -0.999, 0.999)
    skew = relative - tf.linalg.matrix_transpose(relative)
    return 0.5 * log_scale(cosine) * tf.reduce_sum(tf.abs(skew), axis=[1, 2])
