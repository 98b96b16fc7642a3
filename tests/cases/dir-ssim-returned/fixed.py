import tensorflow as tf


def ssim_loss(y_true, y_pred):
    return 1.0 - tf.image.ssim(y_true, y_pred, max_val=1.0)
