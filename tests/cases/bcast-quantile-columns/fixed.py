"""Pinball loss for a head with one column per quantile."""
import tensorflow as tf
from tensorflow.keras import backend as K


def quantile_loss(quantiles):
    def loss(y_true, y_pred):
        terms = []
        for i, q in enumerate(quantiles):
            error = y_true - y_pred[:, i : i + 1]
            terms.append(tf.maximum(q * error, (q - 1) * error))
        return K.mean(tf.add_n(terms), axis=-1)

    return loss
