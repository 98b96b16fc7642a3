import tensorflow as tf


def total_variation(image):
    dx = image[:, 1:, :-1, :] - image[:, :-1, :-1, :]
    dy = image[:, :-1, 1:, :] - image[:, :-1, :-1, :]
    magnitude = tf.math.pow(dx**2 + dy**2, 0.5)
    return tf.reduce_mean(magnitude, axis=[1, 2, 3])


class Denoise(tf.keras.losses.Loss):
    def call(self, y_true, y_pred):
        fidelity = tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2, 3])
        return fidelity + 0.1 * total_variation(y_pred)
