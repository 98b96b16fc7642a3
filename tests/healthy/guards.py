"""Right guards that are not the usual ones: each keeps a logarithm, root or quotient from its singular point."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import ops

GAUSS = np.outer([1.0, 4.0, 6.0, 4.0, 1.0], [1.0, 4.0, 6.0, 4.0, 1.0]).astype("float32") / 256.0


def own_class_centre(y_true, y_pred):
    """The centre of an absent class is 0/0, and nobody reads it."""
    labels = tf.cast(tf.reshape(y_true, [-1]), tf.int32)
    total = tf.math.unsorted_segment_sum(y_pred, labels, 5)
    count = tf.math.unsorted_segment_sum(tf.ones_like(labels, tf.float32), labels, 5)
    centres = total / tf.maximum(count, 1.0)[:, None]
    return tf.reduce_sum(tf.square(y_pred - tf.gather(centres, labels)), axis=-1)


def noisy_or(y_true, y_pred):
    """One minus a product of probabilities, kept away from 0 and 1 by a convex combination."""
    absent = tf.reduce_prod(1.0 - y_pred, axis=-1)
    p = 0.998 * (1.0 - absent) + 0.001
    t = tf.reduce_max(y_true, axis=-1)
    return -(t * tf.math.log(p) + (1.0 - t) * tf.math.log(1.0 - p))


def count_with_indicator(y_true, y_pred):
    """The divisor is the count, or 1 where the count is 0."""
    mask = tf.cast(y_true > 0.0, tf.float32)
    count = tf.reduce_sum(mask, axis=-1)
    count += tf.cast(tf.equal(count, 0.0), tf.float32)
    return tf.reduce_sum(mask * tf.abs(y_true - y_pred), axis=-1) / count


def log_of_selected(y_true, y_pred):
    """The logarithm of the present entries only, scattered back."""
    present = tf.reshape(y_true, [-1]) > 0.5
    where = tf.where(present)
    chosen = tf.gather_nd(tf.reshape(y_pred, [-1]), where)
    logs = tf.math.log(chosen + 1e-6)
    full = tf.scatter_nd(where, logs, tf.cast(tf.shape(present), tf.int64))
    return -tf.reduce_sum(tf.reshape(full, tf.shape(y_pred)), axis=-1)


def one_minus_cosine(y_true, y_pred):
    """A periodic distance."""
    return tf.reduce_mean(1.0 - tf.cos(y_true - y_pred), axis=-1)


def ssim_by_depthwise(y_true, y_pred):
    """SSIM with a fixed Gaussian window."""
    kernel = tf.constant(np.repeat(GAUSS[:, :, None, None], 3, axis=2))

    def blur(x):
        return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "VALID")

    mu_t, mu_p = blur(y_true), blur(y_pred)
    var_t = blur(tf.square(y_true)) - tf.square(mu_t)
    var_p = blur(tf.square(y_pred)) - tf.square(mu_p)
    cov = blur(y_true * y_pred) - mu_t * mu_p
    top = (2.0 * mu_t * mu_p + 1e-4) * (2.0 * cov + 9e-4)
    bottom = (tf.square(mu_t) + tf.square(mu_p) + 1e-4) * (tf.nn.relu(var_t) + tf.nn.relu(var_p) + 9e-4)
    return 1.0 - tf.reduce_mean(top / bottom, axis=[1, 2, 3])


def pyramid_charbonnier(y_true, y_pred):
    """Charbonnier at three scales, in a Python loop."""
    total = 0.0
    for scale in (1, 2, 4):
        gap = tf.nn.avg_pool2d(y_true - y_pred, scale, scale, "VALID")
        total += tf.reduce_mean(tf.sqrt(tf.square(gap) + 1e-6), axis=[1, 2, 3])
    return total / 3.0


def weighted_by_presence(y_true, y_pred):
    """Class weights from the reciprocal of counts, where absent classes have none."""
    member = ops.one_hot(ops.cast(y_true, "int32"), 4)
    count = ops.sum(member, axis=1)
    weight = ops.where(count > 0, 1.0 / ops.maximum(count, 1.0), 0.0)
    ce = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
    return ops.sum(ops.einsum("bnk,bk->bn", member, weight) * ce, axis=-1) / 4.0


def exact_hit_excluded(y_true, y_pred):
    """The distance of pairs that differ; equal pairs are moved before the root, not after."""
    squared = tf.reduce_sum(tf.square(y_true - y_pred), axis=-1)
    same = tf.cast(squared < 1e-12, tf.float32)
    return (1.0 - same) * tf.sqrt(squared + same)


def gumbel_log_survival(y_true, y_pred):
    """log(1 - exp(-exp(-z))) by log and expm1, with z squashed."""
    z = 3.0 * ops.tanh((y_true - y_pred) / 3.0)
    return -ops.mean(ops.log(-ops.expm1(-ops.exp(-z))), axis=-1)
