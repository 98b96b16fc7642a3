"""KL divergence between saliency maps seen as distributions."""
import tensorflow as tf
from tensorflow.keras import backend as K

EPS = 1e-4


def saliency_kl(y_true, y_pred):
    target = (y_true + EPS) / K.sum(y_true + EPS)
    given = (y_pred + EPS) / K.sum(y_pred + EPS)
    return K.sum(target * tf.math.log(target / given), axis=(1, 2, 3))
