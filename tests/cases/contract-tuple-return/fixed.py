import tensorflow as tf


def vae_loss(y_true, y_pred):
    rebuild = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
    energy = tf.reduce_mean(tf.square(y_pred), axis=-1)
    return rebuild + 0.1 * energy
