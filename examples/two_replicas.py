"""Two replicas on two logical CPUs: the capture says on which of them the batch broke.

python examples/two_replicas.py
"""

# pyright: reportArgumentType=false
# Keras states no types, and what is inferred from its defaults ("auto") is too narrow.

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

import lossdoctor as ld


def log_cosh_ratio(y_true, y_pred):
    ratio = y_pred / y_true
    return tf.reduce_mean(tf.math.log(tf.cosh(ratio)), axis=-1)  # cosh overflows from 89


def main() -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(640, 4)).astype("float32")
    y = rng.uniform(1.0, 2.0, (640, 1)).astype("float32")
    y[350] = 1e-3

    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile("sgd", loss=ld.watch(log_cosh_ratio), jit_compile=False)
    monitor = ld.Monitor("runs/two_replicas", actions={"non-finite": ["warn", "stop"], "": "log"})
    model.fit(x, y, batch_size=64, shuffle=False, verbose=0, callbacks=[monitor])
    for file in monitor.saved:
        print(f"lossdoctor replay {file}")


if __name__ == "__main__":
    main()
