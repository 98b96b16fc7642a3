"""Mean column-wise root mean squared error."""
import keras
import tensorflow as tf


class ColumnRMSE(keras.losses.Loss):
    def call(self, y_true, y_pred):
        squared = tf.square(y_true - y_pred)
        return tf.sqrt(tf.reduce_mean(squared, axis=0) + 1e-6)
