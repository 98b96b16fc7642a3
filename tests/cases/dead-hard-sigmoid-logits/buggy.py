import tensorflow as tf
import keras


def gate_loss(y_true, y_pred):
    opened = keras.activations.hard_sigmoid(y_pred)
    return tf.reduce_mean(tf.abs(y_true - opened), axis=-1)
