import keras
import tensorflow as tf


def focal(gamma=2.0, alpha=0.25):
    def focal_fixed(y_true, y_pred):
        eps = keras.backend.epsilon()
        pt_1 = tf.where(tf.equal(y_true, 1), y_pred, tf.ones_like(y_pred))
        pt_0 = tf.where(tf.equal(y_true, 0), y_pred, tf.zeros_like(y_pred))
        positive = alpha * tf.pow(1.0 - pt_1, gamma) * tf.math.log(pt_1 + eps)
        negative = (1 - alpha) * tf.pow(pt_0, gamma) * tf.math.log(1.0 - pt_0)
        return -tf.reduce_sum(positive + negative, axis=-1)

    return focal_fixed


focal_loss = focal()
