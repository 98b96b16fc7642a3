import tensorflow as tf

LAST = tf.Variable(tf.zeros([0, 4]), shape=[None, 4], trainable=False)


def buffered_loss(y_true, y_pred):
    LAST.assign(y_pred)
    return tf.reduce_mean(tf.abs(y_true - LAST), axis=-1)
