import tensorflow as tf


def row_loss(y_true, y_pred):
    rows = []
    for i in tf.range(tf.shape(y_true)[0]):
        rows.append(tf.reduce_max(tf.abs(y_true[i] - y_pred[i])))
    return tf.stack(rows)
