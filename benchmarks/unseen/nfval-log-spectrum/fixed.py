import tensorflow as tf


def log_magnitude(wave):
    spectrum = tf.signal.rfft(wave)
    energy = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    return tf.math.log(energy + 1e-3)


def log_spectral_distance(y_true, y_pred):
    return tf.reduce_mean(tf.abs(log_magnitude(y_true) - log_magnitude(y_pred)), axis=-1)
