import tensorflow as tf

THRESHOLD = 0.5


def iou_loss(y_true, y_pred):
    hard = tf.where(y_pred > THRESHOLD, 1.0, 0.0)
    inter = tf.reduce_sum(hard * y_true, axis=[1, 2])
    union = tf.reduce_sum(hard + y_true - hard * y_true, axis=[1, 2])
    return 1.0 - (inter + 1.0) / (union + 1.0)
