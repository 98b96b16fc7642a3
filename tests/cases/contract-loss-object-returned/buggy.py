import tensorflow as tf


def combined_loss(y_true, y_pred):
    cce = tf.keras.losses.CategoricalCrossentropy(y_true, y_pred)
    mae = tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)
    return cce + 0.5 * mae
