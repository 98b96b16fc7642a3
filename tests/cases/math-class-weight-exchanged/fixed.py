import tensorflow as tf


def imbalanced(positive_weight):
    def loss(y_true, y_pred):
        weights = tf.where(y_true > 0.5, positive_weight, 1.0)
        ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)
        return tf.reduce_mean(weights * ce, axis=-1)

    return loss
