import math
import tensorflow as tf


class StudentT(tf.keras.losses.Loss):
    def parameters(self, raw):
        loc, scale, df = tf.unstack(raw, axis=-1)
        return loc, tf.nn.softplus(scale) + 1e-2, 2.0 + tf.nn.softplus(df)

    def call(self, y_true, y_pred):
        loc, scale, df = self.parameters(y_pred)
        z = (tf.squeeze(y_true, -1) - loc) / scale
        body = 0.5 * (df + 1.0) * tf.math.log1p(z * z / df)
        norm = tf.math.lgamma(0.5 * df) - tf.math.lgamma(0.5 * (df + 1.0))
        return body + norm + tf.math.log(scale) + 0.5 * tf.math.log(df * math.pi)
