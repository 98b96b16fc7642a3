import tensorflow as tf


def gan_loss(y_true, y_pred):
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)
    return tf.reduce_mean(loss, axis=-1)
