"""Similarities of an image to five captions, contrastive."""
import tensorflow as tf

TEMPERATURE = 0.07


def contrast(y_true, y_pred):
    # a softmax over the captions, by hand
    weights = tf.exp(y_pred / TEMPERATURE)
    share = tf.reduce_sum(y_true * weights, axis=-1) / tf.reduce_sum(weights, axis=-1)
    return -tf.math.log(share)
