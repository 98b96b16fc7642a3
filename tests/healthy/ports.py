"""Losses as much-copied ports of papers and tutorials write them, with the habits of their authors."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow.keras import backend as K


def weighted_categorical_crossentropy(weights=(0.5, 2.0, 1.0, 1.0)):
    weights = K.variable(weights)

    def loss(y_true, y_pred):
        y_pred /= K.sum(y_pred, axis=-1, keepdims=True)
        y_pred = K.clip(y_pred, K.epsilon(), 1 - K.epsilon())
        return -K.sum(y_true * K.log(y_pred) * weights, -1)

    return loss


def flattened_by_layers(y_true, y_pred):
    y_true = tf.keras.layers.Flatten()(y_true)
    y_pred = tf.keras.layers.Flatten()(y_pred)
    intersection = tf.reduce_sum(y_true * y_pred, axis=-1)
    return 1.0 - (2.0 * intersection + 1.0) / (tf.reduce_sum(y_true, axis=-1) + tf.reduce_sum(y_pred, axis=-1) + 1.0)


@keras.saving.register_keras_serializable(package="healthy")
class RetinaNetBoxLoss(tf.keras.losses.Loss):
    def __init__(self, delta=1.0, reduction="none", name="RetinaNetBoxLoss", **kwargs):
        super().__init__(reduction=reduction, name=name, **kwargs)
        self._delta = delta

    def call(self, y_true, y_pred):
        difference = y_true - y_pred
        absolute_difference = tf.abs(difference)
        squared_difference = difference**2
        loss = tf.where(
            tf.less(absolute_difference, self._delta),
            0.5 * squared_difference,
            absolute_difference - 0.5,
        )
        return tf.reduce_sum(loss, axis=-1)

    def get_config(self):
        return {**super().get_config(), "delta": self._delta}


@keras.saving.register_keras_serializable(package="healthy")
class RetinaNetClassLoss(tf.keras.losses.Loss):
    def __init__(self, alpha=0.25, gamma=2.0, **kwargs):
        super().__init__(**kwargs)
        self._alpha = alpha
        self._gamma = gamma

    def call(self, y_true, y_pred):
        cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)
        probs = tf.nn.sigmoid(y_pred)
        alpha = tf.where(tf.equal(y_true, 1.0), self._alpha, (1.0 - self._alpha))
        pt = tf.where(tf.equal(y_true, 1.0), probs, 1 - probs)
        loss = alpha * tf.pow(1.0 - pt, self._gamma) * cross_entropy
        return tf.reduce_sum(loss, axis=-1)

    def get_config(self):
        return {**super().get_config(), "alpha": self._alpha, "gamma": self._gamma}


@keras.saving.register_keras_serializable(package="healthy")
class RetinaNetLoss(tf.keras.losses.Loss):
    """Both of the above over anchors: the last column is the class, -1 background, -2 ignored."""

    def __init__(self, num_classes=3, **kwargs):
        super().__init__(**kwargs)
        self._num_classes = num_classes
        self._box_loss = RetinaNetBoxLoss()
        self._class_loss = RetinaNetClassLoss(reduction="none")

    def call(self, y_true, y_pred):
        y_pred = tf.cast(y_pred, dtype=tf.float32)
        box_labels = y_true[:, :, :4]
        box_predictions = y_pred[:, :, :4]
        cls_labels = tf.one_hot(tf.cast(y_true[:, :, 4], dtype=tf.int32), depth=self._num_classes, dtype=tf.float32)
        cls_predictions = y_pred[:, :, 4:]
        positive_mask = tf.cast(tf.greater(y_true[:, :, 4], -1.0), dtype=tf.float32)
        ignore_mask = tf.cast(tf.equal(y_true[:, :, 4], -2.0), dtype=tf.float32)
        clf_loss = self._class_loss(cls_labels, cls_predictions)
        box_loss = self._box_loss(box_labels, box_predictions)
        clf_loss = tf.where(tf.equal(ignore_mask, 1.0), 0.0, clf_loss)
        box_loss = tf.where(tf.equal(positive_mask, 1.0), box_loss, 0.0)
        normalizer = tf.reduce_sum(positive_mask, axis=-1)
        clf_loss = tf.math.divide_no_nan(tf.reduce_sum(clf_loss, axis=-1), normalizer)
        box_loss = tf.math.divide_no_nan(tf.reduce_sum(box_loss, axis=-1), normalizer)
        return clf_loss + box_loss

    def get_config(self):
        return {**super().get_config(), "num_classes": self._num_classes}


def packed_triplet(y_true, y_pred, alpha=0.4):
    total_length = y_pred.shape.as_list()[-1]
    anchor = y_pred[:, 0 : int(total_length * 1 / 3)]
    positive = y_pred[:, int(total_length * 1 / 3) : int(total_length * 2 / 3)]
    negative = y_pred[:, int(total_length * 2 / 3) : int(total_length * 3 / 3)]
    pos_dist = K.sum(K.square(anchor - positive), axis=1)
    neg_dist = K.sum(K.square(anchor - negative), axis=1)
    basic_loss = pos_dist - neg_dist + alpha
    return K.maximum(basic_loss, 0.0)


def am_softmax(y_true, y_pred, scale=24, margin=0.35):
    y_pred = (y_pred - y_true * margin) * scale
    return K.categorical_crossentropy(y_true, y_pred, from_logits=True)


def ssd_multibox(neg_pos_ratio=3, n_neg_min=0, alpha=1.0):
    """Hard negatives by top_k over the whole batch, as the SSD ports have it."""

    def smooth_l1_loss(y_true, y_pred):
        absolute_loss = tf.abs(y_true - y_pred)
        square_loss = 0.5 * (y_true - y_pred) ** 2
        l1_loss = tf.where(tf.less(absolute_loss, 1.0), square_loss, absolute_loss - 0.5)
        return tf.reduce_sum(l1_loss, axis=-1)

    def log_loss(y_true, y_pred):
        y_pred = tf.maximum(y_pred, 1e-15)
        return -tf.reduce_sum(y_true * tf.math.log(y_pred), axis=-1)

    def compute_loss(y_true, y_pred):
        batch_size = tf.shape(y_pred)[0]
        n_boxes = tf.shape(y_pred)[1]
        classification_loss = tf.cast(log_loss(y_true[:, :, :-4], y_pred[:, :, :-4]), tf.float32)
        localization_loss = tf.cast(smooth_l1_loss(y_true[:, :, -4:], y_pred[:, :, -4:]), tf.float32)
        negatives = y_true[:, :, 0]
        positives = tf.cast(tf.reduce_max(y_true[:, :, 1:-4], axis=-1), tf.float32)
        n_positive = tf.reduce_sum(positives)
        pos_class_loss = tf.reduce_sum(classification_loss * positives, axis=-1)
        neg_class_loss_all = classification_loss * negatives
        n_neg_losses = tf.math.count_nonzero(neg_class_loss_all, dtype=tf.int32)
        n_negative_keep = tf.minimum(tf.maximum(neg_pos_ratio * tf.cast(n_positive, tf.int32), n_neg_min), n_neg_losses)

        def f1():
            return tf.zeros([batch_size])

        def f2():
            neg_class_loss_all_1d = tf.reshape(neg_class_loss_all, [-1])
            _, indices = tf.nn.top_k(neg_class_loss_all_1d, k=n_negative_keep, sorted=False)
            negatives_keep = tf.scatter_nd(
                indices=tf.expand_dims(indices, axis=1),
                updates=tf.ones_like(indices, dtype=tf.int32),
                shape=tf.shape(neg_class_loss_all_1d),
            )
            negatives_keep = tf.cast(tf.reshape(negatives_keep, [batch_size, n_boxes]), tf.float32)
            return tf.reduce_sum(classification_loss * negatives_keep, axis=-1)

        neg_class_loss = tf.cond(tf.equal(n_neg_losses, tf.constant(0)), f1, f2)
        class_loss = pos_class_loss + neg_class_loss
        loc_loss = tf.reduce_sum(localization_loss * positives, axis=-1)
        total_loss = (class_loss + alpha * loc_loss) / tf.maximum(1.0, n_positive)
        return total_loss * tf.cast(batch_size, tf.float32)

    return compute_loss


def yolo_with_ignore(y_true, y_pred):
    """One scale: (x, y, w, h, objectness, classes), boxes already decoded."""
    pred_xy, pred_wh = y_pred[..., 0:2], y_pred[..., 2:4]
    true_xy, true_wh = y_true[..., 0:2], y_true[..., 2:4]
    box_loss_scale = 2 - true_wh[..., 0] * true_wh[..., 1]
    obj_mask = tf.squeeze(y_true[..., 4:5], -1)
    xy_loss = obj_mask * box_loss_scale * tf.reduce_sum(tf.square(true_xy - pred_xy), axis=-1)
    wh_loss = (
        obj_mask * box_loss_scale * tf.reduce_sum(tf.square(tf.sqrt(true_wh + 1e-4) - tf.sqrt(pred_wh + 1e-4)), axis=-1)
    )
    obj_loss = keras.losses.binary_crossentropy(y_true[..., 4:5], y_pred[..., 4:5])
    obj_loss = obj_mask * obj_loss + 0.5 * (1 - obj_mask) * obj_loss
    class_loss = obj_mask * keras.losses.binary_crossentropy(y_true[..., 5:], y_pred[..., 5:])
    return tf.reduce_sum(xy_loss + wh_loss + obj_loss + class_loss, axis=(1, 2, 3))


def nnet_survival(n_intervals=5):
    def surv_likelihood(y_true, y_pred):
        cens_uncens = 1.0 + y_true[:, 0:n_intervals] * (y_pred - 1.0)
        uncens = 1.0 - y_true[:, n_intervals : 2 * n_intervals] * y_pred
        return K.sum(-K.log(K.clip(K.concatenate((cens_uncens, uncens)), K.epsilon(), None)), axis=-1)

    return surv_likelihood


def corn_conditional(y_true, y_pred, num_classes=5):
    """Conditional ordinal tasks; a rank counts in the tasks it has reached."""
    levels = tf.sequence_mask(tf.cast(tf.reshape(y_true, [-1]), tf.int32), maxlen=num_classes - 1, dtype=tf.float32)
    reached = tf.concat([tf.ones_like(levels[:, :1]), levels[:, :-1]], axis=1)
    log_p = tf.math.log_sigmoid(y_pred)
    return -tf.reduce_sum(reached * (levels * log_p + (1.0 - levels) * (log_p - y_pred)), axis=1)


def ppo_packed(y_true, y_pred, clipping=0.2, entropy=5e-3, actions=4):
    advantages, prediction_picks, chosen = y_true[:, :1], y_true[:, 1 : 1 + actions], y_true[:, 1 + actions :]
    prob = chosen * y_pred
    old_prob = chosen * prediction_picks
    prob = K.clip(prob, 1e-10, 1.0)
    old_prob = K.clip(old_prob, 1e-3, 1.0)
    ratio = K.exp(K.log(prob) - K.log(old_prob))
    p1 = ratio * advantages
    p2 = K.clip(ratio, min_value=1 - clipping, max_value=1 + clipping) * advantages
    actor = -K.sum(chosen * K.minimum(p1, p2), axis=-1)
    return actor + entropy * K.sum(y_pred * K.log(y_pred + 1e-10), axis=-1)


def quantile_huber(y_true, y_pred, kappa=1.0):
    """QR-DQN: every target sample against every quantile."""
    n = y_pred.shape[-1]
    tau = tf.constant((np.arange(n) + 0.5) / n, dtype=tf.float32)
    error = y_true[:, tf.newaxis, :] - y_pred[:, :, tf.newaxis]
    huber = tf.where(tf.abs(error) <= kappa, 0.5 * tf.square(error), kappa * (tf.abs(error) - 0.5 * kappa))
    weight = tf.abs(tau[tf.newaxis, :, tf.newaxis] - tf.cast(tf.stop_gradient(error) < 0, tf.float32))
    return tf.reduce_sum(tf.reduce_mean(weight * huber / kappa, axis=2), axis=1)


def masked_language_model(y_true, y_pred):
    """Labels of 0 are not predicted."""
    mask = tf.math.logical_not(tf.math.equal(y_true, 0))
    loss_ = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")(y_true, y_pred)
    mask = tf.cast(mask, dtype=loss_.dtype)
    loss_ *= mask
    return tf.reduce_sum(loss_, axis=-1) / tf.maximum(tf.reduce_sum(mask, axis=-1), 1.0)


def spatial_consistency(y_true, y_pred):
    left = tf.constant([[[[0.0]], [[0.0]], [[0.0]]], [[[-1.0]], [[1.0]], [[0.0]]], [[[0.0]], [[0.0]], [[0.0]]]])
    up = tf.constant([[[[0.0]], [[-1.0]], [[0.0]]], [[[0.0]], [[1.0]], [[0.0]]], [[[0.0]], [[0.0]], [[0.0]]]])
    original = tf.reduce_mean(y_true, 3, keepdims=True)
    enhanced = tf.reduce_mean(y_pred, 3, keepdims=True)
    loss = 0.0
    for kernel in (left, up):
        d_original = tf.nn.conv2d(original, kernel, strides=[1, 1, 1, 1], padding="SAME")
        d_enhanced = tf.nn.conv2d(enhanced, kernel, strides=[1, 1, 1, 1], padding="SAME")
        loss += tf.square(d_original - d_enhanced)
    return tf.reduce_mean(loss, axis=[1, 2, 3])


def class_weights_by_gather(y_true, y_pred):
    weights = tf.gather(tf.constant([1.0, 2.0, 0.5, 4.0]), tf.argmax(y_true, axis=-1))
    return weights * tf.nn.softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred)


def balanced_bce_from_probabilities(y_true, y_pred, pos_weight=3.0):
    y_pred = tf.clip_by_value(y_pred, tf.keras.backend.epsilon(), 1 - tf.keras.backend.epsilon())
    logits = tf.math.log(y_pred / (1 - y_pred))
    return tf.reduce_mean(tf.nn.weighted_cross_entropy_with_logits(y_true, logits, pos_weight), axis=-1)


def zero_inflated_negative_binomial(y_true, y_pred, eps=1e-10):
    mean, theta, pi = tf.split(y_pred, 3, axis=-1)
    mean = tf.clip_by_value(mean, 1e-5, 1e6)
    theta = tf.clip_by_value(theta, 1e-4, 1e4)
    pi = tf.clip_by_value(pi, 1e-4, 1.0 - 1e-4)
    t1 = tf.math.lgamma(theta + eps) + tf.math.lgamma(y_true + 1.0) - tf.math.lgamma(y_true + theta + eps)
    t2 = (theta + y_true) * tf.math.log1p(mean / (theta + eps)) + (
        y_true * (tf.math.log(theta + eps) - tf.math.log(mean + eps))
    )
    nb_case = t1 + t2 - tf.math.log(1.0 - pi + eps)
    zero_nb = tf.pow(theta / (theta + mean + eps), theta)
    zero_case = -tf.math.log(pi + ((1.0 - pi) * zero_nb) + eps)
    result = tf.where(tf.less(y_true, 1e-8), zero_case, nb_case)
    return tf.reduce_mean(result, axis=-1)


def masked_by_value(mask_value=-1.0):
    def masked_loss_function(y_true, y_pred):
        mask = K.cast(K.not_equal(y_true, mask_value), K.floatx())
        return K.binary_crossentropy(y_true * mask, y_pred * mask)[:, 0]

    return masked_loss_function


def swapped_views(y_true, y_pred):
    """Two heads concatenated on the last axis, each predicts the other (SimSiam)."""
    p1, p2, z1, z2 = tf.split(y_pred, num_or_size_splits=4, axis=-1)

    def distance(p, z):
        z = tf.stop_gradient(z)
        return -tf.reduce_sum(tf.nn.l2_normalize(p, axis=1) * tf.nn.l2_normalize(z, axis=1), axis=1)

    return distance(p1, z2) / 2 + distance(p2, z1) / 2
