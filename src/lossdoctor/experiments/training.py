"""Training a tiny model with a loss: one TensorFlow function for all seeds, steps included, traced once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.experiments.networks import small
from lossdoctor.experiments.outcomes import BATCH
from lossdoctor.experiments.tasks import Network, Task
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.search.leaves import specs
from lossdoctor.spec import Contract, map_structure

# Of Adam, as in Keras 3.
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-7
_STREAM = 77  # of the random numbers of weights and batches, beside those of the task
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
        self.batch = min(batch, task.count)
        self._network: Network = task.network or small(task, [spec.dtype for spec in specs(contract.y_pred)])
        self._run = tf.function(self._trained, autograph=False)
        self._forward = tf.function(lambda *given: self._network.predict(*given, training=False)[0], autograph=False)

    def train(
        self, task: Task, seed: int, rate: float, *, adam: bool = True, one_batch: bool = False, stop: int | None = None
    ) -> Trained:
        """Train from fresh weights; the same numbers for the same seed. Raises what the loss raises.

        Args:
            stop: the number of steps after which it ends, all of them otherwise.
        """
        rng = np.random.default_rng([seed, _STREAM])
        weights, kept = self._network.fresh(rng)
        count = task.count
        if one_batch:
            rows = np.tile(np.arange(self.batch), (self._steps, 1))
        else:
            rows = np.stack([rng.permutation(count)[: self.batch] for _ in range(self._steps)])
        rows = rows[:stop]
        found = self._run(
            [tf.constant(w) for w in weights],
            [tf.constant(x) for x in kept],
            _inputs(task),
            [tf.constant(truth) for truth in task.truths],
            tf.constant(rows.astype(np.int32)),
            tf.constant(rate, tf.float32),
            tf.constant(1.0 if adam else 0.0),
        )
        curve, first, last, moved = found
        arrays = [tuple(np.asarray(x, np.float64) for x in part) for part in (first, last)]
        return Trained(np.asarray(curve, np.float64), arrays[0], arrays[1], bool(moved), rows)

    def fresh_predictions(self, task: Task, seed: int) -> list[Any]:
        """The parts of y_pred of a model that was not trained, for all samples."""
        weights, kept = self._network.fresh(np.random.default_rng([seed, _STREAM]))
        return self._forward([tf.constant(w) for w in weights], [tf.constant(x) for x in kept], _inputs(task))

    def value(self, truths: list[Any], predictions: list[Any]) -> Any:
        """Mean of the loss."""
        one, other = iter(truths), iter(predictions)
        y_true = map_structure(lambda _: next(one), self._contract.y_true)
        y_pred = map_structure(lambda _: next(other), self._contract.y_pred)
        return tf.reduce_mean(tf.cast(tf.convert_to_tensor(self._loss(y_true, y_pred)), tf.float32))

    def _trained(
        self, weights: list[Any], kept: list[Any], inputs: list[Any], truths: list[Any], rows: Any, rate: Any, adam: Any
    ) -> Any:
        count, steps = len(weights), tf.shape(rows)[0]

        def body(step: Any, curve: Any, held: Any, *state: Any) -> Any:
            now, means, squares = (list(state[k * count : (k + 1) * count]) for k in range(3))
            chosen = rows[step]
            with tf.GradientTape() as tape:
                tape.watch(now)
                given = [tf.gather(truth, chosen) for truth in truths]
                batch = [tf.gather(part, chosen) for part in inputs]
                predictions, held = self._network.predict(now, list(held), batch, training=True)
                value = self.value(given, predictions)
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
            return step + 1, curve.write(step, value), held, *moved, *means, *squares

        zeros = [tf.zeros_like(w) for w in weights]
        curve = tf.TensorArray(tf.float32, steps)
        _, curve, held, *state = tf.while_loop(
            lambda step, *_: step < steps, body, [tf.constant(0), curve, kept, *weights, *zeros, *zeros]
        )
        end = state[:count]
        moved = tf.reduce_any([tf.reduce_any(a != b) for a, b in zip(end, weights, strict=True)])
        first, last = (
            self._network.predict(*given, inputs, training=False)[0] for given in ((weights, kept), (end, list(held)))
        )
        return curve.stack(), first, last, moved


def _inputs(task: Task) -> list[Any]:
    """The inputs of the model, floats as float32."""
    return [tf.constant(x.astype(np.float32) if x.dtype.kind == "f" else x) for x in task.inputs]
