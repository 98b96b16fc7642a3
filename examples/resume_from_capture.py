"""Resume from a capture: replay it, mend the loss, and go on from the last finite weights.

python examples/resume_from_capture.py
"""

# pyright: reportArgumentType=false
# Keras states no types, and what is inferred from its defaults ("auto") is too narrow.

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

import lossdoctor as ld


def broken(y_true, y_pred):
    return tf.reduce_mean(tf.sqrt(tf.abs(y_true - y_pred)), axis=-1)  # infinite slope at 0


def mended(y_true, y_pred):
    return tf.reduce_mean(tf.sqrt(tf.abs(y_true - y_pred) + 1e-6), axis=-1)


def build(loss):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("adam", loss=ld.watch(loss))
    return model


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(512, 4)).astype("float32")
    y = x[:, :1].copy()
    x[300] = y[300] = 0.0  # prediction and target are both exactly 0

    actions = {"non-finite": ["warn", "stop"], "": "log"}
    monitor = ld.Monitor("runs/resume", weights=True, check_every=1, actions=actions)
    build(broken).fit(x, y, shuffle=False, verbose=0, callbacks=[monitor])
    (file,) = monitor.saved
    found = ld.replay(file, broken)
    print(found.statement, [f"{one.rule} at line {one.location.line}" for one in found.findings], sep="\n")

    ld.testing.assert_replays_clean(file, mended)
    model = build(mended)
    model.optimizer.build(model.trainable_variables)
    with np.load(file) as archive:
        names = [name for name in archive.files if name.startswith("extra.weight.")]
        kept = sorted(names, key=lambda name: int(name.split(".")[2]))
        for variable, name in zip([*model.weights, *model.optimizer.variables], kept, strict=True):
            variable.assign(archive[name])
        print(f"resumed with the weights of step {archive['extra.weights_step']}")
    history = model.fit(x, y, epochs=5, shuffle=False, verbose=0)
    print(f"loss {history.history['loss'][0]:.3f} → {history.history['loss'][-1]:.3f}")


if __name__ == "__main__":
    main()
