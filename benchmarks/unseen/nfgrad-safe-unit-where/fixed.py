import tensorflow as tf


def unit(v):
    squared = tf.einsum("bnd,bnd->bn", v, v)[..., None]
    present = squared > 1e-12
    length = tf.sqrt(tf.where(present, squared, 1.0))
    return tf.where(present, v / length, tf.zeros_like(v))


def direction_loss(y_true, y_pred):
    cosine = tf.einsum("bnd,bnd->bn", unit(y_true), unit(y_pred))
    return tf.reduce_mean(1.0 - cosine, axis=-1)
