"""Overlap and boundary losses of segmentation, one value an image."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K


def dice_loss(y_true, y_pred, smooth=1.0):
    axes = [1, 2, 3]
    intersection = K.sum(y_true * y_pred, axis=axes)
    total = K.sum(y_true, axis=axes) + K.sum(y_pred, axis=axes)
    return 1.0 - (2.0 * intersection + smooth) / (total + smooth)


def jaccard_distance(y_true, y_pred, smooth=100.0):
    intersection = tf.reduce_sum(tf.abs(y_true * y_pred), axis=[1, 2, 3])
    total = tf.reduce_sum(tf.abs(y_true) + tf.abs(y_pred), axis=[1, 2, 3])
    jaccard = (intersection + smooth) / (total - intersection + smooth)
    return (1.0 - jaccard) * smooth


@keras.saving.register_keras_serializable(package="healthy")
class Tversky(keras.losses.Loss):
    def __init__(self, alpha=0.7, beta=0.3, smooth=1e-6, name="tversky", reduction="sum_over_batch_size", **kwargs):
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.alpha = alpha
        self.beta = beta
        self.smooth = smooth

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, y_pred.dtype)
        axes = (1, 2, 3)
        true_positive = ops.sum(y_true * y_pred, axis=axes)
        false_negative = ops.sum(y_true * (1.0 - y_pred), axis=axes)
        false_positive = ops.sum((1.0 - y_true) * y_pred, axis=axes)
        weighted = true_positive + self.alpha * false_negative + self.beta * false_positive
        return 1.0 - (true_positive + self.smooth) / (weighted + self.smooth)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta, "smooth": self.smooth}


def focal_tversky(alpha=0.7, gamma=0.75):
    def loss(y_true, y_pred):
        true = K.batch_flatten(y_true)
        pred = K.batch_flatten(y_pred)
        tp = K.sum(true * pred, axis=1)
        fn = K.sum(true * (1 - pred), axis=1)
        fp = K.sum((1 - true) * pred, axis=1)
        index = (tp + 1.0) / (tp + alpha * fn + (1 - alpha) * fp + 1.0)
        return K.pow(K.maximum(1.0 - index, 1e-6), gamma)

    return loss


def generalised_dice(y_true, y_pred, epsilon=1e-6):
    volume = tf.reduce_sum(y_true, axis=[1, 2])
    weight = 1.0 / (tf.square(volume) + epsilon)
    overlap = tf.reduce_sum(weight * tf.reduce_sum(y_true * y_pred, axis=[1, 2]), axis=-1)
    total = tf.reduce_sum(weight * tf.reduce_sum(y_true + y_pred, axis=[1, 2]), axis=-1)
    return 1.0 - 2.0 * overlap / (total + epsilon)


def log_cosh_dice(y_true, y_pred):
    return tf.math.log(tf.math.cosh(dice_loss(y_true, y_pred)))


def bce_dice(y_true, y_pred):
    entropy = tf.keras.losses.binary_crossentropy(y_true, y_pred)
    return 0.5 * tf.reduce_mean(entropy, axis=[1, 2]) + dice_loss(y_true, y_pred)


def _lovasz_gradient(truth_sorted):
    """Of the Jaccard index with respect to the sorted errors (Berman et al. 2018, algorithm 1)."""
    total = tf.reduce_sum(truth_sorted, axis=1, keepdims=True)
    intersection = total - tf.cumsum(truth_sorted, axis=1)
    union = total + tf.cumsum(1.0 - truth_sorted, axis=1)
    jaccard = 1.0 - intersection / union
    return tf.concat([jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]], axis=1)


def lovasz_hinge(y_true, y_pred):
    labels = K.batch_flatten(y_true)
    logits = K.batch_flatten(y_pred)
    errors = 1.0 - logits * (2.0 * labels - 1.0)
    order = tf.argsort(errors, axis=1, direction="DESCENDING")
    errors_sorted = tf.gather(errors, order, batch_dims=1)
    weights = _lovasz_gradient(tf.gather(labels, order, batch_dims=1))
    return tf.reduce_sum(tf.nn.relu(errors_sorted) * tf.stop_gradient(weights), axis=1)


def lovasz_softmax(y_true, y_pred):
    batch = tf.shape(y_pred)[0]
    classes = y_pred.shape[-1]
    losses = []
    for c in range(classes):
        truth = tf.reshape(y_true[..., c], [batch, -1])
        errors = tf.abs(truth - tf.reshape(y_pred[..., c], [batch, -1]))
        errors_sorted, order = tf.math.top_k(errors, k=tf.shape(errors)[1])
        weights = _lovasz_gradient(tf.gather(truth, order, batch_dims=1))
        losses.append(tf.reduce_sum(errors_sorted * tf.stop_gradient(weights), axis=1))
    return tf.add_n(losses) / classes


def boundary_loss(distance_map, y_pred):
    """`distance_map`: signed distance to the true boundary, negative inside."""
    return tf.reduce_mean(distance_map * y_pred, axis=[1, 2, 3])


def _soft_skeleton(image, iterations=3):
    def erode(x):
        return -tf.nn.max_pool2d(-x, 3, 1, "SAME")

    def opened(x):
        return tf.nn.max_pool2d(erode(x), 3, 1, "SAME")

    skeleton = tf.nn.relu(image - opened(image))
    for _ in range(iterations):
        image = erode(image)
        delta = tf.nn.relu(image - opened(image))
        skeleton = skeleton + tf.nn.relu(delta - skeleton * delta)
    return skeleton


def centreline_dice(y_true, y_pred, smooth=1.0):
    axes = [1, 2, 3]
    true_skeleton, skeleton = _soft_skeleton(y_true), _soft_skeleton(y_pred)
    precision = (tf.reduce_sum(skeleton * y_true, axes) + smooth) / (tf.reduce_sum(skeleton, axes) + smooth)
    recall = (tf.reduce_sum(true_skeleton * y_pred, axes) + smooth) / (tf.reduce_sum(true_skeleton, axes) + smooth)
    return 1.0 - 2.0 * precision * recall / (precision + recall)


def edge_weighted_bce(y_true, y_pred):
    edge = tf.nn.max_pool2d(y_true, 3, 1, "SAME") + tf.nn.max_pool2d(-y_true, 3, 1, "SAME")
    pred = tf.clip_by_value(y_pred, K.epsilon(), 1.0 - K.epsilon())
    entropy = -(y_true * tf.math.log(pred) + (1.0 - y_true) * tf.math.log(1.0 - pred))
    return tf.reduce_mean((1.0 + 4.0 * edge) * entropy, axis=[1, 2, 3])


CLASS_WEIGHTS = np.array([0.2, 0.3, 0.5], np.float32)


def weighted_multiclass_dice(y_true, y_pred):
    numerator = 2.0 * ops.sum(y_true * y_pred, axis=(1, 2))
    denominator = ops.sum(ops.square(y_true) + ops.square(y_pred), axis=(1, 2))
    return 1.0 - ops.sum(CLASS_WEIGHTS * (numerator + 1e-5) / (denominator + 1e-5), axis=-1)
