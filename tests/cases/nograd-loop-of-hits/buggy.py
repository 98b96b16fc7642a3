import tensorflow as tf

LEVELS = (0.3, 0.5, 0.7)


def threshold_score(y_true, y_pred):
    total = 0.0
    for level in LEVELS:
        passed = tf.cast(tf.math.greater_equal(y_pred, level), y_true.dtype)
        total += tf.reduce_mean(tf.abs(passed - y_true), axis=-1)
    return total / len(LEVELS)
