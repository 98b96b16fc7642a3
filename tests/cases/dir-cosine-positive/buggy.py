import keras
import tensorflow as tf


class CosineLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        t = tf.math.l2_normalize(y_true, axis=-1)
        p = tf.math.l2_normalize(y_pred, axis=-1)
        return tf.reduce_sum(t * p, axis=-1)
