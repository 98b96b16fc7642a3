import tensorflow as tf


def mixture_nll(y_true, y_pred):
    logits, means, raw = tf.split(y_pred, 3, axis=-1)
    weights = tf.nn.softmax(logits, axis=-1)
    scale = 1.0 + tf.nn.sigmoid(raw)
    normal = tf.exp(-0.5 * tf.square((y_true - means) / scale)) / scale
    return -tf.math.log(tf.reduce_sum(weights * normal, axis=-1))
