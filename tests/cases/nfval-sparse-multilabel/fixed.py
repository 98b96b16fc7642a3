"""Multi-label cross entropy with a threshold class of score 0; labels are indices."""
import tensorflow as tf


def sparse_multilabel(y_true, y_pred):
    y_true = tf.cast(y_true, tf.int32)
    zeros = tf.zeros_like(y_pred[..., :1])
    positive = tf.gather(y_pred, y_true, batch_dims=1)
    wanted = tf.reduce_logsumexp(tf.concat([-positive, zeros], axis=-1), axis=-1)
    scores = tf.concat([y_pred, zeros], axis=-1)
    taken = tf.reduce_max(tf.one_hot(y_true, 9), axis=1)
    unwanted = tf.reduce_logsumexp(scores - 1e12 * taken, axis=-1)
    return wanted + unwanted
