import tensorflow as tf


def running_loss(y_true, y_pred):
    scale = tf.Variable(1.0, trainable=False)
    scale.assign(1.0 / (1.0 + tf.reduce_mean(tf.abs(y_true))))
    return scale * tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
