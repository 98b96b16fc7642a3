"""Adversarial and variational losses."""

import math

import numpy as np
import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K


def discriminator_hinge(y_true, y_pred):
    return tf.reduce_mean(tf.nn.relu(1.0 - y_true * y_pred), axis=-1)


def least_squares_gan(y_true, y_pred):
    return 0.5 * K.mean(K.square(y_pred - y_true), axis=-1)


def wasserstein(y_true, y_pred):
    """Critic: real samples are labelled 1, generated ones -1."""
    return -K.mean(y_true * y_pred, axis=-1)


def logistic_gan(y_true, y_pred):
    return tf.reduce_mean(tf.nn.softplus(-y_true * y_pred), axis=-1)


def relativistic_average(y_true, y_pred):
    """Two columns: scores of real and of generated samples."""
    real, fake = y_pred[:, 0], y_pred[:, 1]
    real_against = real - tf.reduce_mean(fake)
    fake_against = fake - tf.reduce_mean(real)
    return 0.5 * (tf.nn.softplus(-real_against) + tf.nn.softplus(fake_against))


def gaussian_kl(y_true, y_pred):
    mean, log_variance = tf.split(y_pred, 2, axis=-1)
    log_variance = tf.clip_by_value(log_variance, -20.0, 20.0)
    return -0.5 * tf.reduce_sum(1.0 + log_variance - tf.square(mean) - tf.exp(log_variance), axis=-1)


def elbo(y_true, y_pred):
    logits, mean, spread = y_pred["logits"], y_pred["mean"], y_pred["spread"]
    reconstruction = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=logits), axis=-1)
    deviation = tf.nn.softplus(spread) + 1e-4
    divergence = 0.5 * tf.reduce_sum(tf.square(mean) + tf.square(deviation) - 1.0, axis=-1) - tf.reduce_sum(
        tf.math.log(deviation), axis=-1
    )
    return reconstruction + divergence


def free_bits(y_true, y_pred, least=0.5):
    mean, log_variance = y_pred[..., 0], ops.clip(y_pred[..., 1], -10.0, 10.0)
    divergence = 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)
    return ops.sum(ops.maximum(divergence, least), axis=-1)


def vq_commitment(y_true, y_pred, beta=0.25):
    """`y_true` is the code that the encoder's output was mapped to."""
    codebook = tf.reduce_mean(tf.square(tf.stop_gradient(y_pred) - y_true), axis=-1)
    commitment = tf.reduce_mean(tf.square(y_pred - tf.stop_gradient(y_true)), axis=-1)
    return codebook + beta * commitment


def maximum_mean_discrepancy(y_true, y_pred):
    """Of two samples, one number for the batch by its nature."""

    def kernel(x, y):
        squared = tf.reduce_sum(tf.square(x[:, None, :] - y[None, :, :]), axis=-1)
        return tf.reduce_mean(tf.exp(-0.5 * squared))

    return kernel(y_true, y_true) + kernel(y_pred, y_pred) - 2.0 * kernel(y_true, y_pred)


def denoising_score(y_true, y_pred, sigma=0.5):
    """`y_true` is the noise that was added."""
    return 0.5 * tf.reduce_sum(tf.square(sigma * y_pred + y_true), axis=-1)


def diffusion_noise(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=tf.range(1, tf.rank(y_true)))


def logistic_pixels(y_true, y_pred):
    """Discretised logistic likelihood of pixels in [0, 1]; where the bin's mass is the difference of two nearly equal
    numbers, the density at its middle takes its place (PixelCNN++)."""
    mean, log_scale = y_pred[..., 0], tf.clip_by_value(y_pred[..., 1], -7.0, 7.0)
    centred = (y_true - mean) * tf.exp(-log_scale)
    half = tf.exp(-log_scale) / 255.0
    mass = tf.sigmoid(centred + half) - tf.sigmoid(centred - half)
    log_density = centred - log_scale - 2.0 * tf.nn.softplus(centred) + np.log(2.0 / 255.0)
    log_mass = tf.where(mass > 1e-2, tf.math.log(tf.maximum(mass, 1e-12)), log_density)
    return -tf.reduce_sum(log_mass, axis=-1)


def flow_nll(y_true, y_pred):
    """A normalising flow: latent variables, and last the log-determinant."""
    latent, log_determinant = y_pred[:, :-1], y_pred[:, -1]
    prior = -0.5 * tf.reduce_sum(tf.square(latent) + math.log(2.0 * math.pi), axis=-1)
    return -(prior + tf.clip_by_value(log_determinant, -50.0, 50.0))
