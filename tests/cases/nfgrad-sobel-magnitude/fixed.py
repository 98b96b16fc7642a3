import tensorflow as tf


def edges(image):
    g = tf.image.sobel_edges(image)
    return tf.sqrt(g[..., 0] ** 2 + g[..., 1] ** 2 + 1e-6)


class EdgeLoss(tf.keras.losses.Loss):
    def __init__(self, weight=0.2):
        super().__init__()
        self.weight = weight

    def call(self, y_true, y_pred):
        pixel = tf.reduce_mean(tf.abs(y_true - y_pred), axis=[1, 2, 3])
        edge = tf.reduce_mean(tf.abs(edges(y_true) - edges(y_pred)), axis=[1, 2, 3])
        return pixel + self.weight * edge
