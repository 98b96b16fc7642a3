import tensorflow as tf


def unlikelihood(y_true, y_pred):
    probs = tf.nn.softmax(y_pred, axis=-1)
    one_minus = 1.0 - tf.reduce_sum(probs * y_true, axis=-1)
    return -tf.math.log(tf.clip_by_value(one_minus, 1e-5, 1.0))
