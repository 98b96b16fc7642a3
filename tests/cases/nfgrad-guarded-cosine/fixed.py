import tensorflow as tf

EPS = 1e-6


def unit(x):
    return x / tf.sqrt(tf.reduce_sum(tf.square(x), axis=-1, keepdims=True) + EPS)


def embedding_loss(y_true, y_pred):
    return 1.0 - tf.reduce_sum(unit(y_true) * unit(y_pred), axis=-1)
