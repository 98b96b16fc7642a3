"""Cross-entropy with a cost for each true class."""
import numpy as np
import tensorflow as tf

COSTS = np.array([1.0, 3.0, 9.0], dtype="float32")


def cost_sensitive(y_true, y_pred):
    classes = tf.argmax(y_true, axis=-1)
    cost = tf.gather(COSTS, classes)
    p = tf.clip_by_value(tf.reduce_sum(y_true * y_pred, axis=-1), 1e-6, 1.0)
    return -cost * tf.math.log(p)
