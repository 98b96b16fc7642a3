import tensorflow as tf


def power(magnitude):
    return tf.math.pow(magnitude, 2)


def itakura_saito(y_true, y_pred):
    ratio = power(y_true) / power(y_pred)
    distance = ratio - tf.math.log(ratio) - 1.0
    return tf.math.reduce_mean(distance, -1)
