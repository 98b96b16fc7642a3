"""House prices."""
import tensorflow as tf
from tensorflow import keras


def absolute_error(y_true, y_pred):
    return tf.abs(tf.reshape(y_true, [-1]) - tf.squeeze(y_pred, axis=-1))


def build():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("adam", loss=absolute_error)
    return model
