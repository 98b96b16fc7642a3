import tensorflow as tf


def ccc(gold, pred):
    gold_mean, gold_var = tf.nn.moments(gold, axes=[1])
    pred_mean, pred_var = tf.nn.moments(pred, axes=[1])
    covariance = tf.reduce_mean((gold - gold_mean[:, None]) * (pred - pred_mean[:, None]), axis=1)
    bottom = gold_var + pred_var + tf.square(gold_mean - pred_mean)
    return 2.0 * covariance / bottom


def ccc_loss(y_true, y_pred):
    return 1.0 - ccc(y_true, y_pred)
