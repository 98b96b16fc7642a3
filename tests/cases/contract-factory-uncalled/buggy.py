import tensorflow as tf
from tensorflow.keras import backend as K


def binary_focal_loss(gamma=2.0, alpha=0.25):
    def focal_loss_fixed(y_true, y_pred):
        p = K.clip(y_pred, 1e-4, 1.0 - 1e-4)
        p_t = tf.where(tf.equal(y_true, 1.0), p, 1.0 - p)
        a_t = tf.where(tf.equal(y_true, 1.0), alpha, 1.0 - alpha)
        return K.mean(-a_t * K.pow(1.0 - p_t, gamma) * K.log(p_t), axis=-1)

    return focal_loss_fixed


def compile_model(model):
    model.compile(optimizer="adam", loss=binary_focal_loss)
