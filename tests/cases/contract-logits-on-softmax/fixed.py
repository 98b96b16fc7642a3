import tensorflow as tf

WEIGHTS = tf.constant([1.0, 2.0, 2.0, 4.0])


def weighted_ce(y_true, y_pred):
    labels = tf.cast(y_true, tf.int32)
    loss = -tf.math.log(tf.maximum(tf.gather(y_pred, labels, batch_dims=1), 1e-7))
    return loss * tf.gather(WEIGHTS, labels)
