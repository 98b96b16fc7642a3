import tensorflow as tf


def ssim_loss(y_true, y_pred):
    return tf.image.ssim(y_true, y_pred, max_val=1.0)
