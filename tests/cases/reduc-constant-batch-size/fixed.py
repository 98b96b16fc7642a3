import tensorflow as tf

BATCH_SIZE = 32


def anchor_loss(y_true, y_pred):
    return tf.reduce_sum(tf.square(y_true - y_pred), axis=-1)
