import keras

TEMPERATURE = 2.0


def distill_loss(y_true, y_pred):
    soft = y_pred / TEMPERATURE
    return keras.losses.categorical_crossentropy(y_true, soft, from_logits=True)
