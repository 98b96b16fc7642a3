"""Small Keras models trained in a loop of their own, with a fault that begins at a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow
from benchmarks.run import Run
from numpy.typing import NDArray

tf: Any = tensorflow
Array = NDArray[Any]
Loss = Callable[[Any, Any, Any], Any]  # targets, outputs, knob: the loss, or its terms by name


@dataclass(frozen=True)
class Plan:
    """How a run is trained. `knob` is a number that the loss is given, so that a fault can turn it.

    `validate` is every so many steps; `epoch` averages so many steps to a row; `ordered` takes the batches
    in one order for ever; `resumed` leaves the first so many steps out of the log; `metrics` are measured on the
    batch, and on the held-out data where those are used.
    """

    model: Callable[[], keras.Model]
    data: tuple[Array, Array]
    loss: Loss
    optimizer: str = "adam"
    rate: float = 0.005
    batch: int = 32
    steps: int = 400
    schedule: Callable[[float], float] = lambda t: 1.0
    clip: float = 0.0
    knob: float = 1.0
    turn: Callable[[float], float] | None = None  # the knob's schedule
    frozen: bool = False
    every: Callable[[Any, int], None] | None = None  # what is done to the model before each step
    held_out: tuple[Array, Array] | None = None
    validate: int = 0
    epoch: int = 0
    log_norm: bool = True
    log_rate: bool = False
    log_terms: bool = True
    momentum: float = 0.0
    ordered: bool = False
    resumed: int = 0
    metrics: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)  # of targets and outputs


@dataclass
class Fault:
    """What changes from step `onset` on, to `until` if that is given."""

    onset: int = 0
    until: int | None = None
    change: Mapping[str, Any] = field(default_factory=dict)
    batch: Callable[[Array, Array], tuple[Array, Array]] | None = None


def _optimizer(plan: Plan) -> Any:
    if plan.optimizer == "sgd":
        return keras.optimizers.SGD(plan.rate, momentum=plan.momentum)
    names = {"adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "lion": "Lion", "adagrad": "Adagrad"}
    return getattr(keras.optimizers, names[plan.optimizer])(plan.rate)


class _Trainer:
    def __init__(self, plan: Plan, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        self.model, self.optimizer = plan.model(), _optimizer(plan)
        self.knob, self.clip = tf.Variable(plan.knob), tf.Variable(plan.clip or math.inf)
        self.moves, self.loss, self.metrics = tf.Variable(not plan.frozen), plan.loss, plan.metrics
        self.model(plan.data[0][:2])
        self.optimizer.build(self.model.trainable_variables)
        self.step = tf.function(self._step, reduce_retracing=True)
        self.validation = tf.function(self._validation)

    def _terms(self, x: Any, y: Any, training: bool) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """The loss, its terms and the metrics."""
        outputs = self.model(x, training=training)
        found = self.loss(y, outputs, self.knob)
        terms = found if isinstance(found, dict) else {}
        measured = {name: metric(y, outputs) for name, metric in self.metrics.items()}
        return (tf.add_n(list(terms.values())) if terms else found), terms, measured

    def _validation(self, x: Any, y: Any) -> dict[str, Any]:
        total, _, measured = self._terms(x, y, False)
        return {"val_loss": total, **{f"val_{name}": value for name, value in measured.items()}}

    def _step(self, x: Any, y: Any) -> dict[str, Any]:
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            total, terms, measured = self._terms(x, y, True)
        given = tape.gradient(total, variables)
        grads = [
            tf.zeros_like(v) if g is None else tf.convert_to_tensor(g) for g, v in zip(given, variables, strict=True)
        ]
        norm = tf.linalg.global_norm(grads)
        scale = tf.where(norm > self.clip, self.clip / norm, 1.0)
        if self.moves:
            self.optimizer.apply_gradients([(g * scale, v) for g, v in zip(grads, variables, strict=True)])
        named = {f"term/{name}": value for name, value in terms.items()}
        return {"loss": total, "grad_norm": norm, **named, **measured}


def train(name: str, kind: str, plan: Plan, seed: int, fault: Fault | None = None, also: tuple[str, ...] = ()) -> Run:
    """Train and return the log."""
    rng = np.random.default_rng(seed)
    trainer = _Trainer(plan, seed)
    x, y = plan.data
    rows: dict[str, list[float]] = {}
    factor = 1.0
    for step in range(plan.steps):
        active = fault is not None and step >= fault.onset and (fault.until is None or step < fault.until)
        if fault is not None and step in (fault.onset, fault.until):
            change = fault.change if active else {}
            factor = change.get("rate", 1.0)
            trainer.knob.assign(change.get("knob", plan.knob))
            trainer.clip.assign(change.get("clip", plan.clip) or math.inf)
            trainer.moves.assign(not change.get("frozen", plan.frozen))
        if plan.turn is not None and not (active and fault is not None and "knob" in fault.change):
            trainer.knob.assign(plan.turn(step / plan.steps))
        rate = plan.rate * plan.schedule(step / plan.steps) * factor
        trainer.optimizer.learning_rate = rate
        if plan.every is not None and (fault is None or active):
            plan.every(trainer.model, step)
        pick = rng.integers(0, len(x), plan.batch) if plan.batch < len(x) else np.arange(len(x))
        if plan.ordered:
            pick = np.arange(step * plan.batch, (step + 1) * plan.batch) % len(x)
        xb, yb = x[pick], y[pick]
        if active and fault is not None and fault.batch is not None:
            xb, yb = fault.batch(xb, yb)
        row = {key: float(value) for key, value in trainer.step(tf.constant(xb), tf.constant(yb)).items()}
        if not plan.log_norm:
            del row["grad_norm"]
        if not plan.log_terms:
            row = {key: value for key, value in row.items() if not key.startswith("term/")}
        if plan.log_rate:
            row["learning_rate"] = rate
        if plan.validate and plan.held_out is not None:
            measured = step % plan.validate == plan.validate - 1
            found = trainer.validation(*map(tf.constant, plan.held_out)) if measured else {}
            names = ("loss", *plan.metrics)
            row |= {f"val_{name}": float(found.get(f"val_{name}", math.nan)) for name in names}
        for key in row:
            rows.setdefault(key, []).append(row[key])
    return replace(_log(name, kind, plan, rows, fault), also=also)


def _log(name: str, kind: str, plan: Plan, rows: dict[str, list[float]], fault: Fault | None) -> Run:
    columns = {key: np.array(values)[plan.resumed :] for key, values in rows.items()}
    onset = None if fault is None else fault.onset - plan.resumed
    if not plan.epoch:
        return Run(name, kind, onset, {"step": np.arange(plan.resumed, plan.steps, dtype=float), **columns})
    count = plan.steps // plan.epoch
    made = {
        key: np.array([_mean(part, key) for part in values[: count * plan.epoch].reshape(count, plan.epoch)])
        for key, values in columns.items()
    }
    place = None if onset is None else onset // plan.epoch
    return Run(name, kind, place, {"epoch": np.arange(count, dtype=float), **made}, "epoch")


def _mean(values: Array, name: str) -> float:
    """The mean of an epoch; validation is measured at some steps only."""
    return float(np.nanmean(values) if name.startswith("val_") else values.mean())
