import tensorflow as tf


def rmsle(y_true, y_pred):
    gap = tf.math.log1p(y_true) - tf.math.log1p(tf.nn.softplus(y_pred))
    return tf.reduce_mean(tf.square(gap), axis=-1)
