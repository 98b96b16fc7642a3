import tensorflow as tf

COST = tf.constant([[0.0, 1.0, 4.0], [1.0, 0.0, 1.0], [4.0, 1.0, 0.0]])


def expected_cost(y_true, y_pred):
    return tf.reduce_sum(tf.gather(COST, tf.cast(y_true, tf.int32)) * y_pred, axis=-1)
