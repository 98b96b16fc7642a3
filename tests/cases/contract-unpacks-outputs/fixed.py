"""Boxes and classes of a detector in one loss, side by side in one output."""
import keras
import tensorflow as tf


def detection_loss(y_true, y_pred):
    box_true, class_true = y_true[:, :4], y_true[:, 4:]
    box_pred, class_pred = y_pred[:, :4], y_pred[:, 4:]
    box = tf.reduce_mean(tf.abs(box_true - box_pred), axis=-1)
    return box + keras.losses.binary_crossentropy(class_true, class_pred)
