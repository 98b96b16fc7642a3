import tensorflow as tf
from tensorflow.keras import backend as K


def binary_focal_loss(y_true, y_pred, gamma=2.0, alpha=0.25):
    p = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    p_t = K.clip(p, 1e-4, 1.0)
    a_t = tf.where(tf.equal(y_true, 1.0), alpha, 1.0 - alpha)
    return K.mean(-a_t * K.pow(1.0 - p_t, gamma) * K.log(p_t), axis=-1)
