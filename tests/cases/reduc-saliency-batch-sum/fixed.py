"""KL divergence between saliency maps seen as distributions."""
import tensorflow as tf
from tensorflow.keras import backend as K

EPS = 1e-4


def saliency_kl(y_true, y_pred):
    target = (y_true + EPS) / K.sum(y_true + EPS, axis=(1, 2, 3), keepdims=True)
    given = (y_pred + EPS) / K.sum(y_pred + EPS, axis=(1, 2, 3), keepdims=True)
    return K.sum(target * tf.math.log(target / given), axis=(1, 2, 3))
