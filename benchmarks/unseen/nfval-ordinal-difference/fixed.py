import numpy as np
import tensorflow as tf

CUTS = np.array([-2.0, 0.0, 2.0], dtype=np.float32)


def level_probabilities(score):
    below = tf.sigmoid(CUTS - score)
    edges = tf.pad(below, [[0, 0], [0, 1]], constant_values=1.0)
    return edges - tf.pad(below, [[0, 0], [1, 0]])


def proportional_odds(y_true, y_pred):
    probs = level_probabilities(y_pred)
    picked = tf.gather(probs, tf.cast(y_true, tf.int32), batch_dims=1)
    return -tf.math.log(tf.maximum(picked, 1e-7))
