"""Losses of embeddings: pairs and triplets given by the model, and those mined in the batch."""

import keras
import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K


def contrastive(y_true, y_pred, margin=1.0):
    """`y_pred` is the distance of a pair, `y_true` 1 for a pair of the same class."""
    near = K.square(y_pred)
    far = K.square(K.maximum(margin - y_pred, 0.0))
    return K.mean(y_true * near + (1.0 - y_true) * far, axis=-1)


def triplet(y_true, y_pred, alpha=0.2):
    """`y_pred` holds anchor, positive and negative side by side; `y_true` is not used."""
    anchor, positive, negative = tf.split(y_pred, 3, axis=1)
    near = tf.reduce_sum(tf.square(anchor - positive), axis=1)
    far = tf.reduce_sum(tf.square(anchor - negative), axis=1)
    return tf.maximum(near - far + alpha, 0.0)


def soft_triplet(y_true, y_pred):
    anchor, positive, negative = y_pred[:, 0], y_pred[:, 1], y_pred[:, 2]
    near = ops.sqrt(ops.sum(ops.square(anchor - positive), axis=-1) + 1e-12)
    far = ops.sqrt(ops.sum(ops.square(anchor - negative), axis=-1) + 1e-12)
    return ops.softplus(near - far)


def nt_xent(y_true, y_pred, temperature=0.1):
    first = tf.math.l2_normalize(y_pred[:, 0], axis=1)
    second = tf.math.l2_normalize(y_pred[:, 1], axis=1)
    batch = tf.shape(first)[0]
    same = tf.one_hot(tf.range(batch), batch)
    labels = tf.one_hot(tf.range(batch), 2 * batch)
    logits_aa = tf.matmul(first, first, transpose_b=True) / temperature - same * 1e9
    logits_bb = tf.matmul(second, second, transpose_b=True) / temperature - same * 1e9
    logits_ab = tf.matmul(first, second, transpose_b=True) / temperature
    logits_ba = tf.matmul(second, first, transpose_b=True) / temperature
    loss_a = tf.nn.softmax_cross_entropy_with_logits(labels, tf.concat([logits_ab, logits_aa], 1))
    loss_b = tf.nn.softmax_cross_entropy_with_logits(labels, tf.concat([logits_ba, logits_bb], 1))
    return 0.5 * (loss_a + loss_b)


def supervised_contrastive(y_true, y_pred, temperature=0.1):
    labels = tf.reshape(y_true, [-1, 1])
    features = tf.math.l2_normalize(y_pred, axis=-1)
    logits = tf.matmul(features, features, transpose_b=True) / temperature
    logits -= tf.stop_gradient(tf.reduce_max(logits, axis=1, keepdims=True))
    others = 1.0 - tf.eye(tf.shape(logits)[0])
    positives = tf.cast(tf.equal(labels, tf.transpose(labels)), tf.float32) * others
    log_p = logits - tf.math.log(tf.reduce_sum(tf.exp(logits) * others, axis=1, keepdims=True) + 1e-12)
    return -tf.math.divide_no_nan(tf.reduce_sum(positives * log_p, axis=1), tf.reduce_sum(positives, axis=1))


def _pairwise_distances(embeddings):
    """Euclidean, from the differences (the expanded square cancels for near neighbours), with a square root whose
    slope stays finite on the diagonal."""
    squared = tf.reduce_sum(tf.square(embeddings[:, None, :] - embeddings[None, :, :]), axis=-1)
    return tf.sqrt(tf.maximum(squared, 1e-12))


def batch_hard_triplet(y_true, y_pred, margin=0.5):
    labels = tf.reshape(y_true, [-1])
    distances = _pairwise_distances(y_pred)
    same = tf.equal(labels[:, None], labels[None, :])
    hardest_positive = tf.reduce_max(tf.where(same, distances, 0.0), axis=1)
    farthest = tf.reduce_max(distances, axis=1, keepdims=True)
    hardest_negative = tf.reduce_min(tf.where(same, farthest, distances), axis=1)
    return tf.maximum(hardest_positive - hardest_negative + margin, 0.0)


def circle(y_true, y_pred, gamma=32.0, margin=0.25):
    labels = tf.reshape(y_true, [-1])
    features = tf.math.l2_normalize(y_pred, axis=-1)
    similarity = tf.matmul(features, features, transpose_b=True)
    same = tf.equal(labels[:, None], labels[None, :])
    positive = tf.logical_and(same, tf.logical_not(tf.eye(tf.shape(similarity)[0], dtype=tf.bool)))
    weight_positive = tf.stop_gradient(tf.nn.relu(1.0 + margin - similarity))
    weight_negative = tf.stop_gradient(tf.nn.relu(similarity + margin))
    pulls = tf.where(positive, -gamma * weight_positive * (similarity - 1.0 + margin), -1e9)
    pushes = tf.where(same, -1e9, gamma * weight_negative * (similarity - margin))
    return tf.nn.softplus(tf.reduce_logsumexp(pulls, axis=1) + tf.reduce_logsumexp(pushes, axis=1))


def multi_similarity(y_true, y_pred, alpha=2.0, beta=50.0, base=0.5):
    labels = ops.reshape(y_true, (-1,))
    features = ops.normalize(y_pred, axis=-1)
    similarity = ops.matmul(features, ops.transpose(features))
    same = ops.cast(ops.equal(labels[:, None], labels[None, :]), "float32")
    diagonal = ops.eye(ops.shape(similarity)[0])
    pulls = ops.sum(ops.exp(-alpha * (similarity - base)) * (same - diagonal), axis=1)
    pushes = ops.sum(ops.exp(beta * (similarity - base)) * (1.0 - same), axis=1)
    return ops.log(1.0 + pulls) / alpha + ops.log(1.0 + pushes) / beta


@keras.saving.register_keras_serializable(package="healthy")
class ArcFace(keras.losses.Loss):
    """`y_pred` holds the cosines to the class centres."""

    def __init__(self, margin=0.5, scale=30.0, name="arcface", **kwargs):
        super().__init__(name=name, **kwargs)
        self.margin = margin
        self.scale = scale

    def call(self, y_true, y_pred):
        cosine = tf.clip_by_value(y_pred, -1.0 + 1e-6, 1.0 - 1e-6)
        angle = tf.acos(cosine)
        logits = tf.where(y_true > 0.5, tf.cos(angle + self.margin), cosine) * self.scale
        return tf.nn.softmax_cross_entropy_with_logits(labels=y_true, logits=logits)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin, "scale": self.scale}


def cosface(y_true, y_pred, margin=0.35, scale=30.0):
    return K.categorical_crossentropy(y_true, scale * (y_pred - margin * y_true), from_logits=True)


def n_pairs(y_true, y_pred):
    labels = tf.reshape(y_true, [-1, 1])
    same = tf.cast(tf.equal(labels, tf.transpose(labels)), y_pred.dtype)
    targets = same / tf.reduce_sum(same, axis=1, keepdims=True)
    anchors, positives = y_pred[:, 0], y_pred[:, 1]
    logits = tf.matmul(anchors, positives, transpose_a=False, transpose_b=True)
    return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)


def barlow_twins(y_true, y_pred, weight=5e-3):
    """Cross-correlation of two views over the batch: one number by its nature."""

    def standardised(x):
        mean, variance = tf.nn.moments(x, axes=[0])
        return (x - mean) / tf.sqrt(variance + 1e-5)

    first, second = standardised(y_pred[:, 0]), standardised(y_pred[:, 1])
    correlation = tf.matmul(first, second, transpose_a=True) / tf.cast(tf.shape(first)[0], tf.float32)
    eye = tf.eye(correlation.shape[0])
    squared = tf.square(correlation - eye)
    return tf.reduce_sum(squared * eye) + weight * tf.reduce_sum(squared * (1.0 - eye))


def cosine_embedding(y_true, y_pred):
    """`y_true` is 1 or -1 for a pair of embeddings."""
    first = tf.math.l2_normalize(y_pred[:, 0], axis=-1, epsilon=1e-8)
    second = tf.math.l2_normalize(y_pred[:, 1], axis=-1, epsilon=1e-8)
    cosine = tf.reduce_sum(first * second, axis=-1)
    label = tf.reshape(y_true, [-1])
    return tf.where(label > 0.0, 1.0 - cosine, tf.maximum(cosine, 0.0))


def center_loss(y_true, y_pred):
    """`y_true` is the centre of the sample's class."""
    return 0.5 * tf.reduce_sum(tf.square(y_pred - y_true), axis=-1)
