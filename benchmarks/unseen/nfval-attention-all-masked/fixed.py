import tensorflow as tf

NEG = -1e9


def attention_weights(scores, present):
    masked = tf.where(present, scores, NEG)
    return tf.nn.softmax(masked, axis=-1)


def masked_pool_loss(y_true, y_pred):
    """y_true[..., 1] > 0 marks the positions that exist."""
    present = y_true[..., 1] > 0.0
    weights = attention_weights(y_pred[..., 1], present)
    pooled = tf.reduce_sum(weights * y_pred[..., 0], axis=-1)
    target = tf.reduce_max(y_true[..., 0], axis=-1)
    return tf.abs(target - pooled)
