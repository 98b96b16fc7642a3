import tensorflow as tf


def mask_bce(y_true, y_pred):
    loss = tf.keras.backend.binary_crossentropy(y_true, y_pred)
    return tf.reduce_mean(loss, axis=-1)
