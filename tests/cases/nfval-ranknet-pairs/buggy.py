import tensorflow as tf


def ranknet(y_true, y_pred):
    """Every sample of the batch against every other one."""
    better = tf.sign(y_true - tf.transpose(y_true))
    lead = y_pred - tf.transpose(y_pred)
    pairs = tf.math.log(1.0 + tf.exp(-better * lead)) * tf.abs(better)
    return tf.reduce_mean(pairs, axis=1)
