import tensorflow as tf
from tensorflow import keras


def weighted_bce(y_true, y_pred):
    mask = y_true[..., :1]
    edge = y_true[..., 1:]
    weight_map = 1.0 + 4.0 * edge
    bce = keras.losses.binary_crossentropy(mask, y_pred)
    return tf.reduce_mean(bce * weight_map[..., 0], axis=[1, 2])
