"""First half of the batch: left images, second half: right images."""
import tensorflow as tf


def twin_loss(y_true, y_pred):
    left, right = tf.split(y_pred, 2, axis=0)
    same, _ = tf.split(tf.cast(y_true[:, 0], y_pred.dtype), 2, axis=0)
    gap = tf.reduce_sum(tf.square(left - right), axis=-1)
    loss = same * gap + (1.0 - same) * tf.nn.relu(1.0 - gap)
    return tf.concat([loss, loss], axis=0)
