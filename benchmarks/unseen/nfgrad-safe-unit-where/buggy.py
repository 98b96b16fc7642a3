import tensorflow as tf


def unit(v):
    length = tf.sqrt(tf.einsum("bnd,bnd->bn", v, v))[..., None]
    return tf.where(length > 0.0, v / length, tf.zeros_like(v))


def direction_loss(y_true, y_pred):
    cosine = tf.einsum("bnd,bnd->bn", unit(y_true), unit(y_pred))
    return tf.reduce_mean(1.0 - cosine, axis=-1)
