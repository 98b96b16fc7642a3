"""Squared normalised cross-correlation in windows of 5 by 5."""
import tensorflow as tf


def windows(images):
    patches = tf.image.extract_patches(images, [1, 5, 5, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID")
    patches -= tf.reduce_mean(patches, axis=-1, keepdims=True)
    return patches


def local_correlation(y_true, y_pred):
    a, b = windows(y_true), windows(y_pred)
    cross = tf.reduce_sum(a * b, axis=-1)
    var_a = tf.reduce_sum(a * a, axis=-1)
    var_b = tf.reduce_sum(b * b, axis=-1)
    return 1.0 - tf.reduce_mean(cross * cross / (var_a * var_b + 1e-5), axis=[1, 2])
