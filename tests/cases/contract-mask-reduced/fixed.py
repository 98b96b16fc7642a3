import keras


def tagger():
    tokens = keras.Input((12,))
    steps = keras.layers.Embedding(100, 16, mask_zero=True)(tokens)
    steps = keras.layers.LSTM(16, return_sequences=True)(steps)
    return keras.Model(tokens, keras.layers.Dense(5, activation="softmax")(steps))


def tag_loss(y_true, y_pred):
    return keras.losses.categorical_crossentropy(y_true, y_pred)
