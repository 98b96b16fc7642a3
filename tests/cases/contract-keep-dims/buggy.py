"""Squared error between centred vectors."""
import tensorflow as tf


def normalised_mse(y_true, y_pred):
    t = y_true - tf.reduce_mean(y_true, axis=1, keep_dims=True)
    p = y_pred - tf.reduce_mean(y_pred, axis=1, keep_dims=True)
    return tf.reduce_mean(tf.square(t - p), axis=1)
