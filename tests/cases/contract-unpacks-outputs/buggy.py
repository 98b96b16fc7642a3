"""Boxes and classes of a detector in one loss."""
import keras
import tensorflow as tf


def detection_loss(y_true, y_pred):
    box_true, class_true = y_true
    box_pred, class_pred = y_pred
    box = tf.reduce_mean(tf.abs(box_true - box_pred), axis=-1)
    return box + keras.losses.categorical_crossentropy(class_true, class_pred)
