import tensorflow as tf


def similarity_loss(y_true, y_pred):
    t = tf.math.l2_normalize(y_true, axis=-1)
    p = tf.math.l2_normalize(y_pred, axis=-1)
    scores = tf.matmul(t, p, transpose_b=True)
    return 1.0 - tf.linalg.diag_part(scores)
