import tensorflow as tf


def mixture_nll(y_true, y_pred):
    logits, means, raw = tf.split(y_pred, 3, axis=-1)
    log_weights = tf.nn.log_softmax(logits, axis=-1)
    scale = 1.0 + tf.nn.sigmoid(raw)
    log_normal = -0.5 * tf.square((y_true - means) / scale) - tf.math.log(scale)
    return -tf.reduce_logsumexp(log_weights + log_normal, axis=-1)
