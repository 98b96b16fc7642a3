import tensorflow as tf


class Isomap(tf.keras.losses.Loss):
    def geometry(self, points):
        gap = points[:, :, None, :] - points[:, None, :, :]
        return tf.norm(gap, axis=-1)

    def call(self, y_true, y_pred):
        stress = self.geometry(y_true) - self.geometry(y_pred)
        return tf.reduce_sum(stress * stress, axis=[1, 2])
