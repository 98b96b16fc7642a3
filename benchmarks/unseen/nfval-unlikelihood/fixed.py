import tensorflow as tf


def unlikelihood(y_true, y_pred):
    probs = tf.nn.softmax(y_pred, axis=-1)
    one_minus = 1.0 - probs
    return -tf.reduce_sum((1.0 - y_true) * tf.math.log(tf.clip_by_value(one_minus, 1e-5, 1.0)), axis=-1)
