import tensorflow as tf


def _gram(images):
    batch, height, width, channels = images.shape
    flat = tf.reshape(images, [batch, height * width, channels])
    return tf.matmul(flat, flat, transpose_a=True) / float(height * width)


def gram_loss(y_true, y_pred):
    return tf.reduce_mean(tf.square(_gram(y_true) - _gram(y_pred)), axis=[1, 2])
