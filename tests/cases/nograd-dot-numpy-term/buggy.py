import numpy as np
import tensorflow as tf


def signal_loss(y_true, y_pred):
    sample = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
    power = np.abs(np.fft.rfft(y_pred.numpy(), axis=-1)).mean(axis=-1)
    return sample + 0.1 * power.astype(np.float32)
