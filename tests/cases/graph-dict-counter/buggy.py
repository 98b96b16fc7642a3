import keras
import tensorflow as tf

STATE = {"epoch": 0}


class Tick(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        STATE["epoch"] = epoch


def ramp_loss(y_true, y_pred):
    ramp = 0.1 + 0.01 * STATE["epoch"]
    return ramp * tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)
