import tensorflow as tf

EPSILON = 1e-10


def zscore(x):
    x = tf.cast(x, tf.float32)
    mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
    return (x - mean) / tf.sqrt(variance + EPSILON)


def normalised_mae(y_true, y_pred):
    return tf.reduce_mean(tf.abs(zscore(y_true) - zscore(y_pred)), axis=-1)
