"""Cosine distance between two embeddings of a sample."""
import keras
from keras import ops


class PairSimilarity(keras.losses.Loss):
    def call(self, y_true, y_pred):
        a = y_true / ops.sqrt(ops.sum(ops.square(y_true), axis=1, keepdims=True) + 1e-6)
        b = y_pred / ops.sqrt(ops.sum(ops.square(y_pred), axis=1, keepdims=True) + 1e-6)
        similarity = ops.diagonal(ops.matmul(a, ops.transpose(b)))
        return 1.0 - similarity
