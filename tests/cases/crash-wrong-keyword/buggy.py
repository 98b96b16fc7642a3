import tensorflow as tf


def smooth_ce(y_true, y_pred):
    return tf.nn.softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred, label_smoothing=0.1)
