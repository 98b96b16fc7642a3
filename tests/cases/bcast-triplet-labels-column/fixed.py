"""Batch-hard triplet loss on embeddings."""
import tensorflow as tf

MARGIN = 0.5


def _distances(embeddings):
    dot = tf.matmul(embeddings, embeddings, transpose_b=True)
    norm = tf.linalg.diag_part(dot)
    squared = tf.expand_dims(norm, 0) - 2.0 * dot + tf.expand_dims(norm, 1)
    return tf.maximum(squared, 0.0)


def batch_hard(labels, embeddings):
    labels = tf.reshape(labels, [-1])
    distance = _distances(embeddings)
    equal = tf.equal(tf.expand_dims(labels, 0), tf.expand_dims(labels, 1))
    positive = tf.cast(equal, distance.dtype)
    hardest_positive = tf.reduce_max(positive * distance, axis=1)
    furthest = tf.reduce_max(distance, axis=1, keepdims=True)
    hardest_negative = tf.reduce_min(distance + furthest * positive, axis=1)
    return tf.nn.relu(hardest_positive - hardest_negative + MARGIN)
