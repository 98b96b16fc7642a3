import tensorflow as tf


def instance_norm(x):
    mean, variance = tf.nn.moments(x, axes=[1, 2], keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, None, None, variance_epsilon=1e-3)


def normalised_distance(y_true, y_pred):
    return tf.reduce_mean(tf.abs(instance_norm(y_true) - instance_norm(y_pred)), axis=[1, 2, 3])
