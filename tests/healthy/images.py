"""Restoration and texture losses of images."""

import numpy as np
import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K


def ssim_loss(y_true, y_pred):
    return 1.0 - tf.image.ssim(y_true, y_pred, max_val=1.0)


def ssim_mae(y_true, y_pred):
    mae = tf.reduce_mean(tf.abs(y_true - y_pred), axis=[1, 2, 3])
    return 0.84 * (1.0 - tf.image.ssim(y_true, y_pred, 1.0, filter_size=7)) / 2.0 + 0.16 * mae


def _moments_ssim(x, y, c1=1e-4, c2=9e-4):
    mean_x, mean_y = tf.nn.avg_pool2d(x, 3, 1, "VALID"), tf.nn.avg_pool2d(y, 3, 1, "VALID")
    var_x = tf.nn.avg_pool2d(x * x, 3, 1, "VALID") - mean_x**2
    var_y = tf.nn.avg_pool2d(y * y, 3, 1, "VALID") - mean_y**2
    cov = tf.nn.avg_pool2d(x * y, 3, 1, "VALID") - mean_x * mean_y
    top = (2.0 * mean_x * mean_y + c1) * (2.0 * cov + c2)
    return top / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))


def photometric(y_true, y_pred):
    """SSIM and L1 of self-supervised depth."""
    dissimilar = tf.clip_by_value((1.0 - _moments_ssim(y_true, y_pred)) / 2.0, 0.0, 1.0)
    return 0.85 * tf.reduce_mean(dissimilar, axis=[1, 2, 3]) + 0.15 * tf.reduce_mean(
        tf.abs(y_true - y_pred), axis=[1, 2, 3]
    )


def multi_scale_ssim(y_true, y_pred):
    result = 1.0
    for weight in (0.3, 0.3, 0.4):
        score = tf.reduce_mean(_moments_ssim(y_true, y_pred), axis=[1, 2, 3])
        result = result * tf.pow(tf.maximum(score, 1e-4), weight)
        y_true, y_pred = tf.nn.avg_pool2d(y_true, 2, 2, "SAME"), tf.nn.avg_pool2d(y_pred, 2, 2, "SAME")
    return 1.0 - result


def total_variation_denoise(y_true, y_pred, weight=1e-4):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2, 3]) + weight * tf.image.total_variation(y_pred)


def sobel_loss(y_true, y_pred):
    edges = tf.image.sobel_edges(y_true) - tf.image.sobel_edges(y_pred)
    return tf.reduce_mean(tf.abs(edges), axis=[1, 2, 3, 4])


def edge_magnitude(y_true, y_pred):
    def magnitude(x):
        dy, dx = tf.image.image_gradients(x)
        return tf.sqrt(tf.square(dx) + tf.square(dy) + 1e-6)

    return tf.reduce_mean(tf.abs(magnitude(y_true) - magnitude(y_pred)), axis=[1, 2, 3])


def psnr_loss(y_true, y_pred):
    mse = K.mean(K.square(y_true - y_pred), axis=[1, 2, 3])
    return 10.0 * K.log(mse + 1e-8) / np.log(10.0)


def gram_style(y_true, y_pred):
    def gram(x):
        area = tf.cast(tf.shape(x)[1] * tf.shape(x)[2], x.dtype)
        return tf.einsum("bijc,bijd->bcd", x, x) / area

    return tf.reduce_mean(tf.square(gram(y_true) - gram(y_pred)), axis=[1, 2])


_RANDOM = np.random.default_rng(0).normal(0.0, 0.2, (3, 3, 3, 4)).astype(np.float32)


def feature_loss(y_true, y_pred):
    """L1 in the features of a frozen layer."""
    first = tf.nn.relu(tf.nn.conv2d(y_true, _RANDOM, 1, "SAME"))
    second = tf.nn.relu(tf.nn.conv2d(y_pred, _RANDOM, 1, "SAME"))
    return ops.mean(ops.abs(first - second), axis=(1, 2, 3))


def laplacian_pyramid(y_true, y_pred):
    total = 0.0
    for level in range(3):
        small_true, small = tf.nn.avg_pool2d(y_true, 2, 2, "SAME"), tf.nn.avg_pool2d(y_pred, 2, 2, "SAME")
        size = tf.shape(y_true)[1:3]
        difference = (y_true - tf.image.resize(small_true, size)) - (y_pred - tf.image.resize(small, size))
        total += 2.0**level * tf.reduce_mean(tf.abs(difference), axis=[1, 2, 3])
        y_true, y_pred = small_true, small
    return total


def frequency_loss(y_true, y_pred):
    spectrum = tf.signal.rfft2d(tf.transpose(y_true - y_pred, [0, 3, 1, 2]))
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    return tf.reduce_mean(power, axis=[1, 2, 3])


def scale_invariant_depth(y_true, y_pred):
    error = tf.math.log(y_pred + 1e-6) - tf.math.log(y_true + 1e-6)
    mean = tf.reduce_mean(error, axis=[1, 2, 3])
    return tf.reduce_mean(tf.square(error), axis=[1, 2, 3]) - 0.5 * tf.square(mean)


def depth_gradient_matching(y_true, y_pred):
    depth = K.mean(K.abs(y_pred - y_true), axis=-1)
    dy_true, dx_true = tf.image.image_gradients(y_true)
    dy, dx = tf.image.image_gradients(y_pred)
    edges = K.mean(K.abs(dy - dy_true) + K.abs(dx - dx_true), axis=-1)
    return K.mean(edges, axis=[1, 2]) + 0.1 * K.mean(depth, axis=[1, 2])
