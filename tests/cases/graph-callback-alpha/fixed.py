import keras
import tensorflow as tf


class AlphaScheduler(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.alpha = tf.Variable(1.0, trainable=False)

    def on_epoch_end(self, epoch, logs=None):
        self.alpha.assign(tf.maximum(0.01, self.alpha - 0.01))


scheduler = AlphaScheduler()


def surface_and_dice(y_true, y_pred):
    inter = tf.reduce_sum(y_true * y_pred, axis=-1)
    dice = 1.0 - (2.0 * inter + 1.0) / (tf.reduce_sum(y_true + y_pred, axis=-1) + 1.0)
    mse = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
    return scheduler.alpha * dice + (1.0 - scheduler.alpha) * mse
