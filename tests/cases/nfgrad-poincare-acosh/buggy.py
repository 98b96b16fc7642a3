import tensorflow as tf


def poincare(y_true, y_pred):
    u, v = 0.5 * y_true, 0.5 * y_pred
    gap = tf.reduce_sum(tf.square(u - v), axis=-1)
    u_room = 1.0 - tf.reduce_sum(tf.square(u), axis=-1)
    v_room = 1.0 - tf.reduce_sum(tf.square(v), axis=-1)
    return tf.math.acosh(1.0 + 2.0 * gap / (u_room * v_room))
