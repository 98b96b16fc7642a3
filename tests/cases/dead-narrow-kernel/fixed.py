import tensorflow as tf

SIGMA = 0.01


def correntropy(y_true, y_pred):
    error = y_true - y_pred
    return tf.reduce_mean(tf.math.log1p(tf.square(error / SIGMA)), axis=-1)
