import keras
import tensorflow as tf


class LogRatio(keras.losses.Loss):
    def call(self, y_true, y_pred, mask=1.0):
        ratio = tf.math.log1p(y_true) - tf.math.log1p(y_pred)
        return tf.reduce_mean(mask * tf.square(ratio), axis=-1)
