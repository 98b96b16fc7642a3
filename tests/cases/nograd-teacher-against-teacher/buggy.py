"""y_true holds the scores for the hard labels, and those of the teacher behind them."""
import tensorflow as tf


def soften(scores, temperature=3.0):
    return tf.nn.softmax(scores / temperature)


def distillation(y_true, y_pred):
    wanted = tf.nn.softmax(y_true[:, :4])
    taught = soften(y_true[:, 4:])
    learnt = soften(y_true[:, 4:])
    soft = tf.reduce_sum(tf.square(taught - learnt), axis=-1)
    return tf.nn.softmax_cross_entropy_with_logits(labels=wanted, logits=y_pred) + soft
