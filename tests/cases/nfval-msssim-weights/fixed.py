import tensorflow as tf


def contrast_structure(a, b):
    c2 = 0.03**2
    mean_a = tf.reduce_mean(a, axis=[1, 2, 3], keepdims=True)
    mean_b = tf.reduce_mean(b, axis=[1, 2, 3], keepdims=True)
    var_a = tf.reduce_mean(tf.square(a - mean_a), axis=[1, 2, 3])
    var_b = tf.reduce_mean(tf.square(b - mean_b), axis=[1, 2, 3])
    covariance = tf.reduce_mean((a - mean_a) * (b - mean_b), axis=[1, 2, 3])
    return tf.maximum((2.0 * covariance + c2) / (var_a + var_b + c2), 1e-4)


def multi_scale(y_true, y_pred):
    coarse_true, coarse_pred = (tf.nn.avg_pool2d(x, 2, 2, "VALID") for x in (y_true, y_pred))
    fine = contrast_structure(y_true, y_pred)
    coarse = contrast_structure(coarse_true, coarse_pred)
    return 1.0 - fine**0.4 * coarse**0.6
