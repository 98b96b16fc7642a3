"""Losses that fail, and small models that are trained with them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

SAMPLES, FEATURES, OUTPUTS, BATCH = 200, 6, 3, 32
BAD_ROW, BAD_COLUMN = 140, 1  # of the data: batch 4, sample 12


def two_terms(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    difference = y_true - y_pred
    fit = tf.reduce_mean(tf.square(difference), -1)
    penalty = tf.reduce_mean(tf.sqrt(tf.abs(y_pred) + 1e-3), -1)
    return fit + 0.1 * penalty


def log_of_target(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(tf.square(tf.math.log(y_true) - y_pred), -1)


def root_of_product(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(tf.sqrt(tf.abs(y_true * y_pred)), -1)


def data(*, bad: bool) -> tuple[Any, Any]:
    """x and y; y is positive but for one element, which is 0 where `bad` is true."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SAMPLES, FEATURES)).astype("float32")
    y = rng.uniform(0.5, 1.0, (SAMPLES, OUTPUTS)).astype("float32")
    if bad:
        y[BAD_ROW, BAD_COLUMN] = 0.0
    return x, y


def fit(loss: Callable[[], Any], *, bad: bool, strategy: Any = None, callbacks: Any = (), **compiled: Any) -> Any:
    """Train a model with dropout for two epochs and return it; `loss()` is made in the scope of the strategy."""
    import keras

    names = ("validation_data", "sample_weight", "epochs", "shuffle", "verbose")
    fitting = {key: compiled.pop(key) for key in names if key in compiled}
    with strategy.scope() if strategy is not None else nullcontext():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(8), keras.layers.Dropout(0.2)])
        model.add(keras.layers.Dense(OUTPUTS))
        optimizer = compiled.pop("optimizer", None) or keras.optimizers.Adam()
        model.compile(optimizer, loss=loss(), **compiled)
    x, y = data(bad=bad)
    settings = {"batch_size": BATCH, "epochs": 2, "shuffle": False, "verbose": 0, **fitting}
    model.fit(x, y, callbacks=list(callbacks), **settings)
    return model
