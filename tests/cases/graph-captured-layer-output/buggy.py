import keras
import tensorflow as tf

inputs = keras.Input((8,))
code = keras.layers.Dense(4, name="code")(inputs)
outputs = keras.layers.Dense(8)(code)
model = keras.Model(inputs, outputs)


def sparse_autoencoder_loss(y_true, y_pred):
    error = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
    return error + 0.01 * tf.reduce_mean(tf.abs(code), axis=-1)


model.compile("adam", loss=sparse_autoencoder_loss)
