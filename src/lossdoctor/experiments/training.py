"""Training a tiny model with a loss: one TensorFlow function for all seeds, steps included, traced once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.experiments.outcomes import BATCH
from lossdoctor.experiments.tasks import FEATURES, Task
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.search.leaves import specs
from lossdoctor.spec import Contract, map_structure

HIDDEN = 12
# Of Adam, as in Keras 3.
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-7
Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Trained:
    """One training.

    Attributes:
        curve: the loss at each step.
        first: the predictions of all samples before, `last` after.
        moved: whether any weight changed.
        rows: the samples of each step.
    """

    curve: Any
    first: tuple[Any, ...]
    last: tuple[Any, ...]
    moved: bool
    rows: Any


class Trainer:
    """Trains with one loss on tasks of one shape.

    Args:
        loss: of (y_true, y_pred).
        contract: what it is given.
        task: the first of the tasks.
        steps: of each training.
        batch: samples of a step.
    """

    def __init__(self, loss: Loss, contract: Contract, task: Task, steps: int, batch: int = BATCH) -> None:
        self._loss, self._contract, self._steps = loss, contract, steps
        self.batch = min(batch, len(task.inputs))
        self._heads = task.heads
        self._dtypes = [spec.dtype for spec in specs(contract.y_pred)]
        self._run = tf.function(self._trained, autograph=False)

    def train(
        self, task: Task, seed: int, rate: float, *, adam: bool = True, one_batch: bool = False, stop: int | None = None
    ) -> Trained:
        """Train from fresh weights; the same numbers for the same seed. Raises what the loss raises.

        Args:
            stop: the number of steps after which it ends, all of them otherwise.
        """
        rng = np.random.default_rng([seed, 77])
        weights = [w.astype(np.float32) for w in self._weights(rng)]
        count = len(task.inputs)
        if one_batch:
            rows = np.tile(np.arange(self.batch), (self._steps, 1))
        else:
            rows = np.stack([rng.permutation(count)[: self.batch] for _ in range(self._steps)])
        rows = rows[:stop]
        inputs = tf.constant(task.inputs.astype(np.float32))
        truths = [tf.constant(truth) for truth in task.truths]
        found = self._run(
            [tf.constant(w) for w in weights],
            inputs,
            truths,
            tf.constant(rows.astype(np.int32)),
            tf.constant(rate, tf.float32),
            tf.constant(1.0 if adam else 0.0),
        )
        curve, first, last, moved = found
        arrays = [tuple(np.asarray(x, np.float64) for x in part) for part in (first, last)]
        return Trained(np.asarray(curve, np.float64), arrays[0], arrays[1], bool(moved), rows)

    def _weights(self, rng: np.random.Generator) -> Iterator[Any]:
        yield rng.standard_normal((FEATURES, HIDDEN)) / np.sqrt(FEATURES)
        for _, shape in self._heads:
            size = int(np.prod(shape))
            yield 0.3 * rng.standard_normal((HIDDEN, size)) / np.sqrt(HIDDEN)
            yield 0.3 * rng.standard_normal((FEATURES, size)) / np.sqrt(FEATURES)
            yield np.zeros(size)

    def _predict(self, weights: list[Any], inputs: Any) -> list[Any]:
        hidden = tf.tanh(tf.matmul(inputs, weights[0]))
        found: list[Any] = []
        for k, (head, shape) in enumerate(self._heads):
            deep, wide, bias = weights[1 + 3 * k : 4 + 3 * k]
            out = tf.reshape(tf.matmul(hidden, deep) + tf.matmul(inputs, wide) + bias, [-1, *shape])
            made = {
                "linear": lambda x: x,
                "sigmoid": tf.sigmoid,
                "softmax": tf.nn.softmax,
                "softplus": lambda x: tf.nn.softplus(x + 0.54) + 1e-3,
            }[head](out)
            found.append(tf.cast(made, self._dtypes[k]))
        return found

    def value(self, truths: list[Any], predictions: list[Any]) -> Any:
        """Mean of the loss."""
        one, other = iter(truths), iter(predictions)
        y_true = map_structure(lambda _: next(one), self._contract.y_true)
        y_pred = map_structure(lambda _: next(other), self._contract.y_pred)
        return tf.reduce_mean(tf.cast(tf.convert_to_tensor(self._loss(y_true, y_pred)), tf.float32))

    def _trained(self, weights: list[Any], inputs: Any, truths: list[Any], rows: Any, rate: Any, adam: Any) -> Any:
        count = len(weights)

        def body(step: Any, curve: Any, *state: Any) -> Any:
            now, means, squares = (list(state[k * count : (k + 1) * count]) for k in range(3))
            chosen = rows[step]
            with tf.GradientTape() as tape:
                tape.watch(now)
                given = [tf.gather(truth, chosen) for truth in truths]
                value = self.value(given, self._predict(now, tf.gather(inputs, chosen)))
            slopes = tape.gradient(value, now, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            slopes = [tf.convert_to_tensor(g) for g in slopes]
            means = [_BETA1 * m + (1 - _BETA1) * g for m, g in zip(means, slopes, strict=True)]
            squares = [_BETA2 * v + (1 - _BETA2) * g * g for v, g in zip(squares, slopes, strict=True)]
            turn = tf.cast(step + 1, tf.float32)
            fix1, fix2 = 1 - tf.pow(_BETA1, turn), 1 - tf.pow(_BETA2, turn)
            moved = [
                w - rate * tf.where(adam > 0, m / fix1 / (tf.sqrt(v / fix2) + _EPSILON), g)
                for w, m, v, g in zip(now, means, squares, slopes, strict=True)
            ]
            return step + 1, curve.write(step, value), *moved, *means, *squares

        zeros = [tf.zeros_like(w) for w in weights]
        steps = tf.shape(rows)[0]
        curve = tf.TensorArray(tf.float32, steps)
        _, curve, *state = tf.while_loop(
            lambda step, *_: step < steps, body, [tf.constant(0), curve, *weights, *zeros, *zeros]
        )
        end = state[:count]
        moved = tf.reduce_any([tf.reduce_any(a != b) for a, b in zip(end, weights, strict=True)])
        return curve.stack(), self._predict(weights, inputs), self._predict(end, inputs), moved


def standard(name: str) -> Loss:
    """The standard loss of a task, in the dtype of the prediction."""
    import keras

    losses = keras.losses

    def same(function: Any, **options: Any) -> Loss:
        def loss(y_true: Any, y_pred: Any) -> Any:
            y_true = tf.reshape(tf.cast(y_true, y_pred.dtype), tf.shape(y_pred))
            return function(y_true, y_pred, **options)

        return loss

    def sparse(y_true: Any, y_pred: Any, logits: bool) -> Any:
        labels = tf.reshape(tf.cast(y_true, tf.int32), tf.shape(y_pred)[:-1])
        return losses.sparse_categorical_crossentropy(labels, y_pred, from_logits=logits)

    return {
        "mse": same(losses.mean_squared_error),
        "bce": same(losses.binary_crossentropy),
        "bce_logits": same(losses.binary_crossentropy, from_logits=True),
        "ce": same(losses.categorical_crossentropy),
        "ce_logits": same(losses.categorical_crossentropy, from_logits=True),
        "sparse_ce": lambda t, p: sparse(t, p, False),
        "sparse_ce_logits": lambda t, p: sparse(t, p, True),
        "hinge": same(losses.hinge),
    }[name]
