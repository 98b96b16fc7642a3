import keras
import tensorflow as tf


def difficulty(y_true, y_pred):
    return 1.0 - tf.reduce_sum(y_true * y_pred, axis=-1)


def weighed_by_difficulty(y_true, y_pred):
    return keras.losses.categorical_crossentropy(y_true, y_pred) * difficulty(y_true, y_pred)
