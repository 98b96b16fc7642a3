import numpy as np
import tensorflow as tf

EARTH_KM = 6371.0


class Haversine(tf.keras.losses.Loss):
    def call(self, y_true, y_pred):
        radians = np.pi / 180.0
        lat1, lon1 = tf.unstack(y_true * radians, axis=-1)
        lat2, lon2 = tf.unstack(y_pred * radians, axis=-1)
        half = tf.square(tf.sin((lat2 - lat1) / 2.0))
        half += tf.cos(lat1) * tf.cos(lat2) * tf.square(tf.sin((lon2 - lon1) / 2.0))
        half = tf.clip_by_value(half, 1e-9, 1.0 - 1e-6)
        return 2.0 * EARTH_KM * tf.asin(tf.sqrt(half))
