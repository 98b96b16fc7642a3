"""The same program with one thing replaced: the loss, the batch, the weights, the learning rate, the scale."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossdoctor.readings.model import Array, Curve, ModelRun, Swap
from lossdoctor.trials.arrays import Given
from lossdoctor.trials.constants import with_constants
from lossdoctor.trials.losses import flow_of, weighted
from lossdoctor.trials.uses import standard_for

STEPS = 30
_PATIENCE = 4.0  # seconds that the steps of one curve may take
_LEAST = 8  # steps that a curve has all the same
_FAR = 100.0  # factor between the learning rates that are compared
_USUAL = 1e-3  # the rate that optimizers of Keras have where nobody says one
MOVED = 0.01  # share of the loss that a healthy program loses in the steps; below it other things are tried


@dataclass(frozen=True)
class Program:
    """A model with its batch, predictions (tensors), losses and last activations by output."""

    model: Any
    given: Given
    predictions: Mapping[str, Any]
    losses: Mapping[str, Any]
    activations: Mapping[str, str]

    def standards(self) -> dict[str, tuple[Any, str]] | None:
        """The standard loss of each output with a target; None where one has none."""
        found: dict[str, tuple[Any, str]] = {}
        for name, prediction in self.predictions.items():
            true = self.target(name)
            if true is None:
                continue
            loss, title = standard_for(self.activations.get(name, ""), true, np.asarray(prediction))
            if loss is None:
                return None
            found[name] = (loss, title)
        return found or None

    def target(self, name: str) -> Array | None:
        if name in self.given.y:
            return self.given.y[name]
        if len(self.given.y) == len(self.predictions):
            return list(self.given.y.values())[list(self.predictions).index(name)]
        return None


Objective = Callable[[Any, Any, Any], Any]  # (x, y, weight) -> loss


def experiments(program: Program, run: ModelRun, *, seed: int) -> ModelRun:
    """The run with what the experiments gave: those only that its troubles call for."""
    run = replace(run, terms=tuple(with_constants(program, run.terms)))
    if run.raised is not None or not run.variables:
        return replace(run, swaps=tuple(_swaps(program, seed))) if run.raised is not None else run
    if not run.finite:
        return replace(run, swaps=tuple(_swaps(program, seed)))
    if all(variable.flow in ("none", "zero") for variable in run.variables):
        return replace(run, swaps=tuple(_swaps(program, seed)))
    return _trained(program, run)


def _swaps(program: Program, seed: int) -> list[Swap]:
    found: list[Swap] = []
    x, y, weight = program.given.inputs(), program.given.targets(), program.given.weights()
    standards = program.standards() if program.predictions else None
    if standards is not None:
        titles = " and ".join(dict.fromkeys(title for _, title in standards.values()))
        found.append(_swap(program, "loss", titles, standard_objective(program, standards), x, y, weight))
    synthetic = synthetic_batch(program, seed)
    if synthetic is not None:
        by = "random numbers of the same shapes"
        found.append(_swap(program, "batch", by, own_objective(program.model), synthetic[0], synthetic[1], None))
    with _fresh(program.model) as done:
        if done:
            found.append(_swap(program, "weights", "fresh weights", own_objective(program.model), x, y, weight))
    return found


def _swap(program: Program, what: Any, by: str, objective: Objective, x: Any, y: Any, weight: Any) -> Swap:
    import tensorflow as tf

    try:
        with tf.GradientTape() as tape:
            value = objective(x, y, weight)
        flows = [flow_of(one) for one in tape.gradient(value, [v.value for v in program.model.trainable_variables])]
        number = float(value)
    except Exception as problem:
        text = " ".join(str(problem).split())[:160]
        return Swap(what, by, None, False, f"{type(problem).__name__}: {text}")
    reached = [flow for flow in flows if flow != "none"]
    return Swap(what, by, number, bool(np.isfinite(number)) and bool(reached) and "nonfinite" not in reached)


def own_objective(model: Any) -> Objective:
    """The loss as compiled."""

    def objective(x: Any, y: Any, weight: Any) -> Any:
        prediction = model(x, training=True)
        return model.compute_loss(x=x, y=y, y_pred=prediction, sample_weight=weight)

    return objective


def standard_objective(program: Program, standards: Mapping[str, tuple[Any, str]]) -> Objective:
    """The sum of the standard losses of the outputs, without weights."""
    names = list(program.predictions)

    def objective(x: Any, y: Any, weight: Any) -> Any:
        del weight
        prediction = program.model(x, training=True)
        outputs = parts_of(prediction, names)
        targets = parts_of(y, list(program.given.y))
        total: Any = 0.0
        for name, (loss, _) in standards.items():
            true = targets.get(name, next(iter(targets.values())) if len(targets) == 1 else None)
            if true is None:
                true = list(targets.values())[names.index(name)]
            total = total + weighted(loss, true, outputs[name], None)
        return total

    return objective


def parts_of(value: Any, names: list[str]) -> dict[str, Any]:
    """The tensors of a structure by name."""
    if isinstance(value, Mapping):
        return dict(zip(names, value.values(), strict=True)) if len(names) == 1 else dict(value)
    if isinstance(value, list | tuple):
        return dict(zip(names, value, strict=True))
    return {names[0]: value}


def synthetic_batch(program: Program, seed: int) -> tuple[Any, Any] | None:
    """Random x of the same shapes, and y drawn from the good ones of the batch; None where y has none."""
    rng = np.random.default_rng(seed)
    given = program.given
    rows = len(given.rows)
    x: dict[str, Array] = {}
    for name, array in given.x.items():
        if array.dtype.kind == "f":
            x[name] = rng.normal(size=(rows, *array.shape[1:])).astype(array.dtype)
        elif array.dtype.kind in "iub":
            x[name] = array[rng.integers(0, len(array), rows)]
        else:
            return None
    y: dict[str, Array] = {}
    for place, (name, array) in enumerate(given.y.items()):
        output = name if name in program.predictions else ""
        if output not in program.predictions and program.predictions:
            output = list(program.predictions)[min(place, len(program.predictions) - 1)]
        good = _good_rows(array, program, output)
        if not len(good):
            return None
        y[name] = good[rng.integers(0, len(good), rows)]
    twin = replace(given, x=x, y=y, weight={}, rows=tuple(range(rows)))
    return twin.inputs(), twin.targets()


def _good_rows(array: Array, program: Program, output: str) -> Array:
    """The rows of y that are finite and, as labels, inside the range of classes."""
    if array.dtype == object:
        return array[:0]
    flat = array.reshape(len(array), -1)
    good = np.isfinite(flat.astype(np.float64)).all(axis=1)
    from lossdoctor.trials.uses import use_of

    loss = program.losses.get(output)
    prediction = program.predictions.get(output)
    if loss is not None and prediction is not None and use_of(loss).targets == "label":
        good &= ((flat >= 0) & (flat < prediction.shape[-1])).all(axis=1)
    return array[good]


@contextlib.contextmanager
def _fresh(model: Any) -> Any:
    """Weights as the initialisers of the layers draw them; yields whether that could be done. They are put back."""
    variables = list(model.variables)
    before = [variable.numpy().copy() for variable in variables]
    try:
        done = _reinitialised(model)
        yield done
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def _reinitialised(model: Any) -> bool:
    import keras

    try:
        twin = keras.models.clone_model(model)
        if len(twin.variables) != len(model.variables):
            return False
        for variable, other in zip(model.variables, twin.variables, strict=True):
            variable.assign(np.asarray(other))
    except Exception:  # a subclassed model, or a layer without a configuration
        return False
    return True


def _trained(program: Program, run: ModelRun) -> ModelRun:
    """Some steps on this one batch, with the optimizer as compiled; where they do not help, with others."""
    trainer = Trainer.of(program.model, own_objective(program.model))
    if trainer is None:
        return run
    x, y, weight = program.given.inputs(), program.given.targets(), program.given.weights()
    curve = trainer.curve(x, y, weight, trainer.rate)
    run = replace(run, curve=curve, rate=trainer.rate)
    if curve is None or (curve.gain >= MOVED and curve.finite):
        return run
    found: dict[str, Any] = {
        "slower": _slower(trainer, x, y, weight),
        "faster": trainer.curve(x, y, weight, max(trainer.rate * _FAR, _USUAL) if trainer.rate else 1e-2),
    }
    scaled = _standardised(program.given)
    if scaled is not None:
        found["scaled_inputs"] = trainer.curve(scaled.inputs(), y, weight, trainer.rate)
    small = _small_targets(program.given)
    if small is not None:
        found["scaled_targets"] = trainer.curve(x, small.targets(), weight, trainer.rate)
    standards = program.standards()
    if standards is not None:
        other = Trainer.of(program.model, standard_objective(program, standards))
        if other is not None:
            found["standard"] = other.curve(x, y, weight, trainer.rate or 1e-3)
            found["standard_name"] = " and ".join(dict.fromkeys(title for _, title in standards.values()))
    return replace(run, **found)


def _slower(trainer: Trainer, x: Any, y: Any, weight: Any) -> Curve | None:
    """The steps at a hundredth of the rate; where they still do not help, at a hundredth of that, and of that; of a
    huge rate at last at a usual one."""
    found: Curve | None = None
    rates = [trainer.rate / _FAR**power for power in range(1, 4)]
    for rate in [*rates, *([_USUAL] if rates[-1] > _USUAL else [])]:
        found = trainer.curve(x, y, weight, rate)
        if found is None or not trainer.rate or found.gain > 0:
            break
    return found


def _standardised(given: Given) -> Given | None:
    """The batch with every column of x at mean 0 and deviation 1; None if its numbers are of that size already."""
    x = dict(given.x)
    changed = False
    for name, array in given.x.items():
        if array.dtype.kind == "f" and float(np.abs(array).max()) > 30.0:
            deviation = array.std(axis=0)
            x[name] = ((array - array.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)).astype(array.dtype)
            changed = True
    return replace(given, x=x) if changed else None


def _small_targets(given: Given) -> Given | None:
    """The batch with y at deviation 1; None if y is small, or whole numbers of few kinds."""
    y = dict(given.y)
    changed = False
    for name, array in given.y.items():
        if array.dtype.kind in "fiu" and float(np.abs(array.astype(np.float64)).max()) > 30.0:
            deviation = float(array.std()) or 1.0
            y[name] = ((array - array.mean()) / deviation).astype(np.float32)
            changed = True
    return replace(given, y=y) if changed else None


class Trainer:
    """Steps of a fresh optimizer of the compiled kind; weights are put back after each curve."""

    def __init__(self, model: Any, objective: Objective, optimizer: Any, rate: float) -> None:
        import tensorflow as tf

        self.rate = rate
        self._model = model
        self._optimizer = optimizer
        self._kept = [*model.variables, *optimizer.variables]
        variables = list(model.trainable_variables)

        def step(x: Any, y: Any, weight: Any) -> Any:
            with tf.GradientTape() as tape:
                value = objective(x, y, weight)
                scaled = optimizer.scale_loss(value) if hasattr(optimizer, "scale_loss") else value
            gradients = tape.gradient(scaled, [variable.value for variable in variables])
            pairs = [(one, to) for one, to in zip(gradients, variables, strict=True) if one is not None]
            optimizer.apply_gradients(pairs)
            return value

        self._step: Any = step if getattr(model, "run_eagerly", False) else tf.function(step, autograph=False)
        self._plain = step

    @classmethod
    def of(cls, model: Any, objective: Objective) -> Trainer | None:
        """None if the optimizer cannot be made again."""
        optimizer = getattr(model, "optimizer", None)
        if optimizer is None:
            return None
        try:
            rate = rate_of(optimizer)
            twin = _twin(optimizer, rate)
            twin.build(list(model.trainable_variables))
        except Exception:  # an optimizer of the user's
            return None
        return cls(model, objective, twin, rate)

    def curve(self, x: Any, y: Any, weight: Any, rate: float) -> Curve | None:
        """The losses of some steps, and the loss after the last; None if a step raises."""
        before = [variable.numpy().copy() for variable in self._kept]
        values: list[float] = []
        started = time.perf_counter()
        try:
            self._optimizer.learning_rate = rate
            for _ in range(STEPS):
                values.append(self._one(x, y, weight))
                if not np.isfinite(values[-1]):
                    break
                if time.perf_counter() - started > _PATIENCE and len(values) >= _LEAST:
                    break
        except Exception:
            return None
        finally:
            for variable, value in zip(self._kept, before, strict=True):
                variable.assign(value)
        return Curve(rate, tuple(values)) if values else None

    def _one(self, x: Any, y: Any, weight: Any) -> float:
        try:
            return float(self._step(x, y, weight))
        except Exception:
            if self._step is self._plain:
                raise
            self._step = self._plain  # a program that only runs eagerly
            return float(self._step(x, y, weight))


def rate_of(optimizer: Any) -> float:
    """The learning rate at the first step."""
    given = optimizer.learning_rate
    return float(np.asarray(given(0) if callable(given) and not hasattr(given, "assign") else given))


def _twin(optimizer: Any, rate: float) -> Any:
    """The same optimizer, fresh, at a rate that can be set."""
    config = optimizer.get_config()
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        config["inner_optimizer"] = _twin(inner, rate)
        config.pop("name", None)
        return type(optimizer)(**{key: value for key, value in config.items() if key != "learning_rate"})
    config["learning_rate"] = rate
    return type(optimizer).from_config(config)
