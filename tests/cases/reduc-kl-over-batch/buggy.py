"""Reconstruction and KL term: six outputs, two means, two log variances."""
from keras import ops


def vae_loss(beta):
    def loss(y_true, y_pred):
        recon, mean, log_var = y_pred[:, :6], y_pred[:, 6:8], ops.clip(y_pred[:, 8:], -10.0, 10.0)
        error = ops.mean(ops.square(y_true - recon), axis=-1)
        kl = -0.5 * ops.sum(1.0 + log_var - ops.square(mean) - ops.exp(log_var))
        return error + beta * kl

    return loss
