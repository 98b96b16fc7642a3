"""Box part of a YOLO loss: x, y, w, h, objectness for every cell."""
import tensorflow as tf

LAMBDA_COORD = 5.0
LAMBDA_NOOBJ = 0.5


def yolo_boxes(y_true, y_pred):
    obj = y_true[..., 4]
    xy = tf.square(y_true[..., 0:2] - y_pred[..., 0:2])
    wh = tf.square(tf.sqrt(y_true[..., 2:4] + 1e-6) - tf.sqrt(y_pred[..., 2:4] + 1e-6))
    box = tf.reduce_sum(obj * (xy + wh), axis=[1, 2, 3])
    conf = tf.square(obj - y_pred[..., 4])
    conf = tf.reduce_sum(obj * conf + LAMBDA_NOOBJ * (1.0 - obj) * conf, axis=[1, 2])
    return LAMBDA_COORD * box + conf
