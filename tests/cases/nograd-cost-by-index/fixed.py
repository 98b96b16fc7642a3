import tensorflow as tf
import keras

COST = [[0.0, 1.0, 4.0], [2.0, 0.0, 1.0], [8.0, 2.0, 0.0]]


class CostSensitive(keras.losses.Loss):
    def call(self, y_true, y_pred):
        table = tf.constant(COST)
        rows = tf.gather(table, tf.cast(y_true, tf.int32))
        return tf.reduce_sum(rows * y_pred, axis=-1)
