import tensorflow as tf

SCALES = (1, 2, 4)
WEIGHTS = [0.5, 0.3, 0.2]


def multiscale_rmse(y_true, y_pred):
    total = 0.0
    for scale, weight in zip(SCALES, WEIGHTS):
        a = tf.nn.avg_pool2d(y_true, scale, scale, "VALID")
        b = tf.nn.avg_pool2d(y_pred, scale, scale, "VALID")
        mse = tf.reduce_mean(tf.math.squared_difference(a, b), axis=[1, 2, 3])
        total += weight * (mse + 1e-8) ** 0.5
    return total
