"""Style of a picture as the correlation of its feature maps, after the tutorial for one picture."""
import keras.ops as ops


def gram_matrix(features):
    _, height, width, channels = features.shape
    flat = ops.reshape(features, (-1, height * width, channels))
    return ops.einsum("bpi,bpj->bij", flat, flat) / (height * width * channels)


def style_loss(y_true, y_pred):
    difference = gram_matrix(y_true) - gram_matrix(y_pred)
    return ops.mean(ops.square(difference), axis=(1, 2))
