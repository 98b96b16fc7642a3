"""SSIM of whole pictures, which a sigmoid gives."""
import tensorflow as tf

RANGE = 255.0
C1, C2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2


def global_ssim(y_true, y_pred):
    mean_t, mean_p = tf.reduce_mean(y_true, [1, 2, 3]), tf.reduce_mean(y_pred, [1, 2, 3])
    dev_t = y_true - mean_t[:, None, None, None]
    dev_p = y_pred - mean_p[:, None, None, None]
    both = tf.reduce_mean(dev_t * dev_p, [1, 2, 3])
    own = tf.reduce_mean(tf.square(dev_t), [1, 2, 3]) + tf.reduce_mean(tf.square(dev_p), [1, 2, 3])
    light = (2.0 * mean_t * mean_p + C1) / (mean_t**2 + mean_p**2 + C1)
    structure = (2.0 * both + C2) / (own + C2)
    return 1.0 - light * structure
