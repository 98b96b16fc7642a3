import tensorflow as tf

TEMPERATURE = 2.0


def distill_loss(y_true, y_pred):
    soft = y_pred / TEMPERATURE
    return tf.nn.softmax_cross_entropy_with_logits(labels=y_true, logits=soft)
