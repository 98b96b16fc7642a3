"""KL divergence that checks its input first."""
import keras
import tensorflow as tf


def checked_kl(y_true, y_pred):
    total = tf.reduce_sum(y_pred, axis=-1)
    assert tf.reduce_all(tf.abs(total - 1.0) < 1e-2), "y_pred must sum to one"
    return keras.losses.kl_divergence(y_true, y_pred)
