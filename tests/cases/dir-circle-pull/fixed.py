"""Circle loss with fixed margins, over all pairs of a batch."""
import keras
import tensorflow as tf

GAMMA, MARGIN = 12.0, 0.3


class PairwiseCircleLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        unit = tf.math.l2_normalize(y_pred, axis=-1, epsilon=1e-6)
        cosine = tf.matmul(unit, unit, transpose_b=True)
        label = tf.reshape(y_true, [-1])
        same = tf.cast(label[:, None] == label[None, :], cosine.dtype)
        alone = tf.eye(tf.shape(cosine)[0], dtype=cosine.dtype)
        fixed = tf.stop_gradient(cosine)
        pull = GAMMA * tf.nn.relu(1.0 + MARGIN - fixed) * (1.0 - MARGIN - cosine)
        push = GAMMA * tf.nn.relu(fixed + MARGIN) * (cosine - MARGIN)
        pull = tf.reduce_logsumexp(pull - 1e4 * (1.0 - same + alone), axis=-1)
        push = tf.reduce_logsumexp(push - 1e4 * same, axis=-1)
        return tf.nn.softplus(pull + push)
