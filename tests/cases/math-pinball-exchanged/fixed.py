import tensorflow as tf

Q = 0.9


def pinball(y_true, y_pred):
    e = y_true - y_pred
    return tf.reduce_mean(tf.maximum(Q * e, (Q - 1.0) * e), axis=-1)
