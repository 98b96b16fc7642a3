"""A training loop of one's own, with a loss of two terms of which one breaks in the gradient only.

python examples/custom_loop.py
"""

# pyright: reportArgumentType=false
# Keras states no types, and what is inferred from its defaults ("auto") is too narrow.

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

import lossdoctor as ld


@ld.watch
def distance_with_penalty(y_true, y_pred):
    distance = tf.norm(y_true - y_pred, axis=-1)  # its gradient is nan where both are equal
    penalty = tf.reduce_mean(tf.square(y_pred), axis=-1)
    return distance + 0.01 * penalty


def main() -> None:
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, use_bias=False)])
    optimizer = keras.optimizers.SGD(0.01)

    @tf.function
    def train_step(x, y):
        with tf.GradientTape() as tape:
            value = distance_with_penalty(y, model(x, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return value

    step = ld.watch_step(train_step, distance_with_penalty, "runs/custom_loop")
    for number in range(60):
        x = rng.normal(size=(16, 4)).astype("float32")
        x[7] *= number != 40  # an empty sample: the prediction is 0, and so is the target
        step(tf.constant(x), tf.constant(x[:, :2]))
        if step.monitor.alerts:
            break
    step.monitor.end()
    for file in step.monitor.saved:
        print(f"lossdoctor replay {file}")


if __name__ == "__main__":
    main()
