import tensorflow as tf


def precision_at_k(y_true, y_pred):
    _, idx = tf.math.top_k(y_pred, k=3)
    hit = tf.gather(y_true, idx, batch_dims=1)
    return 1.0 - tf.reduce_mean(hit, axis=-1)
