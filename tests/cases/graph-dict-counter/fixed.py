import keras
import tensorflow as tf

STATE = {"epoch": tf.Variable(0.0, trainable=False)}


class Tick(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        STATE["epoch"].assign(float(epoch))


def ramp_loss(y_true, y_pred):
    ramp = 0.1 + 0.01 * STATE["epoch"]
    return ramp * tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)
