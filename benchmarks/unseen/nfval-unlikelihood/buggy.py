import tensorflow as tf


def unlikelihood(y_true, y_pred):
    probs = tf.nn.softmax(y_pred, axis=-1)
    one_minus = 1.0 - probs
    return -tf.reduce_sum((1.0 - y_true) * tf.math.log(one_minus), axis=-1)
