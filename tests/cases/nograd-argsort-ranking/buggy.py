import tensorflow as tf


def rank_loss(y_true, y_pred):
    order = tf.argsort(y_pred, axis=-1, direction="DESCENDING")
    gains = tf.gather(y_true, order, batch_dims=1)
    discount = 1.0 / tf.math.log(tf.range(2.0, 14.0))
    return -tf.reduce_sum(gains * discount, axis=-1)
