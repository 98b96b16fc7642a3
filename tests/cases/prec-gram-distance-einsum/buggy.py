import tensorflow as tf


def square_distances(a, b):
    aa = tf.einsum("bnd,bnd->bn", a, a)[:, :, None]
    bb = tf.einsum("bmd,bmd->bm", b, b)[:, None, :]
    ab = tf.einsum("bnd,bmd->bnm", a, b)
    return tf.nn.relu(aa + bb - 2.0 * ab)


def chamfer(y_true, y_pred):
    d = square_distances(y_true, y_pred)
    return tf.reduce_mean(tf.reduce_min(d, axis=2), axis=1) + tf.reduce_mean(tf.reduce_min(d, axis=1), axis=1)
