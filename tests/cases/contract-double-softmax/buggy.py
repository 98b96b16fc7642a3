import keras
from keras import ops

TEMPERATURE = 2.0


def distill_loss(y_true, y_pred):
    soft = ops.softmax(y_pred / TEMPERATURE, axis=-1)
    return keras.losses.categorical_crossentropy(y_true, soft, from_logits=True)
