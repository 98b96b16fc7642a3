import tensorflow as tf


def match_loss(y_true, y_pred):
    gaps = tf.reduce_mean(tf.abs(y_true[:, None, :] - y_pred[None, :, :]), axis=-1)
    return tf.reduce_sum(gaps * tf.eye(tf.shape(y_true)[0]), axis=-1)
