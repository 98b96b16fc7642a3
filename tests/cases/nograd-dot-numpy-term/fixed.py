import tensorflow as tf


def signal_loss(y_true, y_pred):
    sample = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
    bins = tf.signal.rfft(y_pred)
    power = tf.reduce_mean(tf.square(tf.math.real(bins)) + tf.square(tf.math.imag(bins)), axis=-1)
    return sample + 0.1 * power
