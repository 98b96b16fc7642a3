import tensorflow as tf


def consistency_loss(y_true, y_pred):
    """y_true is the teacher's embedding, y_pred the student's."""
    student = tf.stop_gradient(tf.math.l2_normalize(y_pred, axis=-1))
    teacher = tf.math.l2_normalize(y_true, axis=-1)
    return 2.0 - 2.0 * tf.reduce_sum(teacher * student, axis=-1)
