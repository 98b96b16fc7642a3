"""Train with a watched loss that breaks, stop at the alert, and replay the batch.

python examples/keras_fit.py
tensorboard --logdir runs
"""

# pyright: reportArgumentType=false
# Keras states no types, and what is inferred from its defaults ("auto") is too narrow.

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

import lossdoctor as ld


def relative_error(y_true, y_pred):
    scale = tf.abs(y_true)
    return tf.reduce_mean(tf.abs(y_true - y_pred) / scale, axis=-1)


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 8)).astype("float32")
    y = 1.0 + np.abs(x[:, :2])
    y[1500, 1] = 0.0  # one target of zero

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(2)])
    model.compile("adam", loss=ld.watch(relative_error, every=10))
    actions = {"non-finite": ["warn", "stop"], "": "log"}
    monitor = ld.Monitor("runs/keras_fit", preset="full", actions=actions, data=(x, y))  # so it knows sample 1500
    model.fit(x, y, epochs=3, verbose=0, callbacks=[monitor])
    for file in monitor.saved:
        print(f"lossdoctor replay {file}")


if __name__ == "__main__":
    main()
