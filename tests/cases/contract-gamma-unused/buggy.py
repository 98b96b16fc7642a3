"""Focal loss with a chosen gamma."""
import tensorflow as tf

GAMMA = 2.0
ALPHA = 0.25


def binary_focal(gamma=2.0, alpha=ALPHA):
    def loss(y_true, y_pred):
        p = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
        p_t = y_true * p + (1.0 - y_true) * (1.0 - p)
        alpha_t = y_true * alpha + (1.0 - y_true) * (1.0 - alpha)
        focal = -alpha_t * tf.pow(1.0 - p_t, GAMMA) * tf.math.log(p_t)
        return tf.reduce_mean(focal, axis=-1)

    return loss
