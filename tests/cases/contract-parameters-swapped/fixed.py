import tensorflow as tf

Q = 0.9


def quantile_loss(y_true, y_pred):
    error = y_true - y_pred
    return tf.reduce_mean(tf.maximum(Q * error, (Q - 1.0) * error), axis=-1)
