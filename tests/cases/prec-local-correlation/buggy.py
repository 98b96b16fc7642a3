"""Squared normalised cross-correlation in windows of 5 by 5."""
import tensorflow as tf


def windows(images):
    patches = tf.image.extract_patches(images, [1, 5, 5, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID")
    return patches


def local_correlation(y_true, y_pred):
    a, b = windows(y_true), windows(y_pred)
    mean_a, mean_b = tf.reduce_mean(a, axis=-1), tf.reduce_mean(b, axis=-1)
    cross = tf.reduce_sum(a * b, axis=-1) - 25.0 * mean_a * mean_b
    var_a = tf.reduce_sum(a * a, axis=-1) - 25.0 * mean_a * mean_a
    var_b = tf.reduce_sum(b * b, axis=-1) - 25.0 * mean_b * mean_b
    return 1.0 - tf.reduce_mean(cross * cross / (var_a * var_b + 1e-5), axis=[1, 2])
