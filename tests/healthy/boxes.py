"""Overlap losses of boxes (centre x, centre y, width, height), relative to the image."""

import math

import tensorflow as tf
from keras import ops

EPSILON = 1e-7


def _corners(boxes):
    centre, size = boxes[..., :2], boxes[..., 2:]
    return centre - size / 2.0, centre + size / 2.0


def _overlap(y_true, y_pred):
    true_low, true_high = _corners(y_true)
    low, high = _corners(y_pred)
    sides = tf.maximum(tf.minimum(true_high, high) - tf.maximum(true_low, low), 0.0)
    intersection = sides[..., 0] * sides[..., 1]
    union = y_true[..., 2] * y_true[..., 3] + y_pred[..., 2] * y_pred[..., 3] - intersection
    hull = tf.maximum(true_high, high) - tf.minimum(true_low, low)
    return intersection, union, hull


def iou_loss(y_true, y_pred):
    intersection, union, _ = _overlap(y_true, y_pred)
    return 1.0 - tf.math.divide_no_nan(intersection, union)


def log_iou_loss(y_true, y_pred):
    intersection, union, _ = _overlap(y_true, y_pred)
    return -tf.math.log((intersection + 1e-3) / (union + 1e-3))


def giou_loss(y_true, y_pred):
    intersection, union, hull = _overlap(y_true, y_pred)
    area = hull[..., 0] * hull[..., 1]
    return 1.0 - intersection / (union + EPSILON) + (area - union) / (area + EPSILON)


def diou_loss(y_true, y_pred):
    intersection, union, hull = _overlap(y_true, y_pred)
    diagonal = tf.reduce_sum(tf.square(hull), axis=-1) + EPSILON
    centres = tf.reduce_sum(tf.square(y_true[..., :2] - y_pred[..., :2]), axis=-1)
    return 1.0 - intersection / (union + EPSILON) + centres / diagonal


def ciou_loss(y_true, y_pred):
    intersection, union, hull = _overlap(y_true, y_pred)
    iou = intersection / (union + EPSILON)
    diagonal = tf.reduce_sum(tf.square(hull), axis=-1) + EPSILON
    centres = tf.reduce_sum(tf.square(y_true[..., :2] - y_pred[..., :2]), axis=-1)
    true_angle = tf.atan(y_true[..., 2] / (y_true[..., 3] + EPSILON))
    angle = tf.atan(y_pred[..., 2] / (y_pred[..., 3] + EPSILON))
    v = 4.0 / math.pi**2 * tf.square(true_angle - angle)
    alpha = tf.stop_gradient(v / (1.0 - iou + v + EPSILON))
    return 1.0 - iou + centres / diagonal + alpha * v


def anchors_smooth_l1(y_true, y_pred, sigma=3.0):
    """`y_true` holds offsets and, last, whether the anchor is matched."""
    regression, matched = y_true[..., :-1], y_true[..., -1]
    error = tf.abs(y_pred - regression)
    smooth = tf.where(error < 1.0 / sigma**2, 0.5 * sigma**2 * tf.square(error), error - 0.5 / sigma**2)
    per_anchor = tf.reduce_sum(smooth, axis=-1) * tf.cast(matched > 0.5, tf.float32)
    return tf.reduce_sum(per_anchor, axis=-1) / tf.maximum(tf.reduce_sum(tf.cast(matched > 0.5, tf.float32), -1), 1.0)


def yolo_cell(y_true, y_pred):
    """Objectness, box and class terms of a grid: [..., 0] object, [..., 1:5] box, [..., 5:] classes."""
    present = y_true[..., 0]
    objectness = ops.binary_crossentropy(y_true[..., 0:1], y_pred[..., 0:1])[..., 0]
    place = ops.sum(ops.square(y_true[..., 1:3] - y_pred[..., 1:3]), axis=-1)
    size = ops.sum(ops.square(ops.sqrt(y_true[..., 3:5]) - ops.sqrt(y_pred[..., 3:5] + 1e-6)), axis=-1)
    classes = ops.sum(ops.square(y_true[..., 5:] - y_pred[..., 5:]), axis=-1)
    cell = objectness + present * (5.0 * (place + size) + classes)
    return ops.sum(cell, axis=(1, 2))
