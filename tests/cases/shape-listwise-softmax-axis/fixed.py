"""ListNet: cross-entropy between the top-one probabilities of a query's documents."""
import keras
from keras import ops


@keras.saving.register_keras_serializable(package="rank")
def listnet(y_true, y_pred):
    wanted = ops.softmax(y_true, axis=-1)
    given = ops.log_softmax(y_pred, axis=-1)
    return -ops.sum(wanted * given, axis=-1)
