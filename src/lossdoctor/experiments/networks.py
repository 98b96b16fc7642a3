"""The models that an experiment trains, as functions of their weights: a small one of ours, and any of Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from lossdoctor.experiments.tasks import FEATURES, Head, Network, Task, Tensors
from lossdoctor.graph.untyped_tf import tf

HIDDEN = 12
_MAPS = 6


class Small:
    """One hidden layer beside a linear one, with a head for each part of y_pred.

    Args:
        heads: how each part comes out, with its shape without the batch.
        dtypes: of the parts.
    """

    def __init__(self, heads: Sequence[tuple[Head, tuple[int, ...]]], dtypes: Sequence[str]) -> None:
        self._heads, self._dtypes = heads, dtypes

    def fresh(self, rng: np.random.Generator) -> tuple[list[Any], list[Any]]:
        """Random weights; nothing is kept."""
        return [weight.astype(np.float32) for weight in self._weights(rng)], []

    def _weights(self, rng: np.random.Generator) -> Iterator[Any]:
        yield rng.standard_normal((FEATURES, HIDDEN)) / np.sqrt(FEATURES)
        for _, shape in self._heads:
            size = int(np.prod(shape))
            yield 0.3 * rng.standard_normal((HIDDEN, size)) / np.sqrt(HIDDEN)
            yield 0.3 * rng.standard_normal((FEATURES, size)) / np.sqrt(FEATURES)
            yield np.zeros(size)

    def predict(self, weights: Tensors, kept: Tensors, inputs: Tensors, *, training: bool) -> tuple[Tensors, Tensors]:
        """The parts of y_pred for inputs of shape (N, FEATURES)."""
        hidden = tf.tanh(tf.matmul(inputs[0], weights[0]))
        found: list[Any] = []
        for k, (head, shape) in enumerate(self._heads):
            deep, wide, bias = weights[1 + 3 * k : 4 + 3 * k]
            out = tf.reshape(tf.matmul(hidden, deep) + tf.matmul(inputs[0], wide) + bias, [-1, *shape])
            found.append(tf.cast(_activated(head, out), self._dtypes[k]))
        return found, kept


class Conv:
    """Two convolutions for maps of one channel, with a head."""

    def __init__(self, head: Head, dtype: str) -> None:
        self._head: Head = head
        self._dtype = dtype

    def fresh(self, rng: np.random.Generator) -> tuple[list[Any], list[Any]]:
        """Random weights; nothing is kept."""
        first = rng.standard_normal((3, 3, 1, _MAPS)) / 3.0
        second = rng.standard_normal((3, 3, _MAPS, 1)) / (3.0 * np.sqrt(_MAPS))
        weights = [first, np.zeros(_MAPS), second, np.zeros(1)]
        return [weight.astype(np.float32) for weight in weights], []

    def predict(self, weights: Tensors, kept: Tensors, inputs: Tensors, *, training: bool) -> tuple[Tensors, Tensors]:
        """y_pred for images of shape (N, rows, columns, 1)."""
        hidden = tf.tanh(tf.nn.conv2d(inputs[0], weights[0], 1, "SAME") + weights[1])
        out = tf.nn.conv2d(hidden, weights[2], 1, "SAME") + weights[3]
        return [tf.cast(_activated(self._head, out), self._dtype)], kept


def small(task: Task, dtypes: Sequence[str]) -> Network:
    """The small model for the inputs of a task; `dtypes` are those of the parts of y_pred."""
    images = task.inputs[0].ndim == 4
    return Conv(task.heads[0][0], dtypes[0]) if images else Small(task.heads, dtypes)


def _activated(head: Head, out: Any) -> Any:
    made = {
        "linear": lambda x: x,
        "sigmoid": tf.sigmoid,
        "softmax": tf.nn.softmax,
        "softplus": lambda x: tf.nn.softplus(x + 0.54) + 1e-3,
    }
    return made[head](out)


class OfKeras:
    """A model of Keras.

    Args:
        model: the model, built.
        again: makes it anew, with fresh weights; None where only the weights that it has are known.
        packed: its inputs from their arrays, in the structure in which it takes them.
    """

    def __init__(self, model: Any, again: Callable[[], Any] | None, packed: Callable[[Tensors], Any]) -> None:
        self._model, self._again, self._packed = model, again, packed

    def fresh(self, rng: np.random.Generator) -> tuple[list[Any], list[Any]]:
        """The weights of a new model."""
        import keras

        model = self._model
        if self._again is not None:
            keras.utils.set_random_seed(int(rng.integers(2**31)))
            model = self._again()
        return (
            [np.asarray(variable) for variable in model.trainable_variables],
            [np.asarray(variable) for variable in model.non_trainable_variables],
        )

    def predict(self, weights: Tensors, kept: Tensors, inputs: Tensors, *, training: bool) -> tuple[Tensors, Tensors]:
        """The outputs of the model, flat, and what its layers keep."""
        found, after = self._model.stateless_call(weights, kept, self._packed(inputs), training=training)
        return [tf.convert_to_tensor(part) for part in tf.nest.flatten(found)], [tf.convert_to_tensor(x) for x in after]
