import tensorflow as tf


def path_loss(y_true, y_pred):
    return tf.stack([tf.reduce_mean(tf.square(t - p)) for t, p in zip(y_true, y_pred)])
