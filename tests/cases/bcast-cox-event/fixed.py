"""Cox partial likelihood; y_true holds (time, event)."""
import tensorflow as tf


class CoxLoss(tf.keras.losses.Loss):
    def call(self, y_true, y_pred):
        time = y_true[:, 0]
        event = y_true[:, 1]
        theta = tf.reshape(y_pred, [-1])
        at_risk = time[tf.newaxis, :] >= time[:, tf.newaxis]
        scores = tf.where(at_risk, theta[tf.newaxis, :], -1e9)
        log_risk = tf.reduce_logsumexp(scores, axis=1)
        return -(theta - log_risk) * event
