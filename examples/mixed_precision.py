"""Mixed precision: infinite scaled gradients of the weights are expected there, those of the loss are not.

python examples/mixed_precision.py
"""

# pyright: reportArgumentType=false
# Keras states no types, and what is inferred from its defaults ("auto") is too narrow.

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

import lossdoctor as ld


def entropy(y_true, y_pred):
    return -tf.reduce_sum(y_true * tf.math.log(y_pred), axis=-1)


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1024, 8)).astype("float32")
    y = np.eye(3, dtype="float32")[rng.integers(0, 3, 1024)]
    x[700] *= 1e3  # softmax in float16 gives an exact 0

    keras.mixed_precision.set_global_policy("mixed_float16")
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu")])
    model.add(keras.layers.Dense(3, activation="softmax"))
    model.compile("adam", loss=ld.watch(entropy))
    monitor = ld.Monitor("runs/mixed_precision", actions={"non-finite": ["warn", "stop"], "": "log"})
    model.fit(x, y, shuffle=False, verbose=0, epochs=2, callbacks=[monitor])
    for file in monitor.saved:
        print(f"lossdoctor replay {file}")


if __name__ == "__main__":
    main()
