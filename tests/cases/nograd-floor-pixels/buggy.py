import tensorflow as tf

LEVELS = 255.0


def to_pixels(image):
    return tf.floor(image * LEVELS + 0.5)


def pixel_loss(y_true, y_pred):
    return tf.reduce_mean(tf.abs(to_pixels(y_true) - to_pixels(y_pred)), axis=-1)
