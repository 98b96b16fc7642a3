import tensorflow as tf


def iou_loss(y_true, y_pred):
    inter = tf.reduce_sum(y_true * y_pred, axis=[1, 2, 3])
    union = tf.reduce_sum(y_true + y_pred, axis=[1, 2, 3]) - inter
    return 1.0 - (inter + 1.0) / (union + 1.0)
