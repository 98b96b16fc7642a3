import keras
from keras import ops


@keras.saving.register_keras_serializable("losses")
def bhattacharyya(y_true, y_pred):
    coefficient = ops.einsum("bi,bi->b", ops.sqrt(y_true + 1e-7), ops.sqrt(y_pred + 1e-7))
    support = ops.sum(y_true * y_pred, axis=-1)
    return -ops.log(coefficient) - 0.1 * ops.log(support + 1e-4)
