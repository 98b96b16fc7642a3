"""The worker's side of `experiment`: what a loss says of the known answer, and trainings, one request after another."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossdoctor.experiments.judge import beating
from lossdoctor.experiments.outcomes import First, Outcome, Own, Run
from lossdoctor.experiments.own import task_of_own
from lossdoctor.experiments.scenarios import Scenario, drawn, scenarios
from lossdoctor.experiments.standards import standard
from lossdoctor.experiments.tasks import Alike, Float, Task, error_of, task_of
from lossdoctor.experiments.terms import names_of_terms, with_weight
from lossdoctor.experiments.training import Loss, Trainer
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.search.leaves import chosen, make_pair, specs
from lossdoctor.session import Pair, SessionError
from lossdoctor.spec import Contract, numpy_dtype

CURVE = 60  # points of a curve that are kept
_BOTH = (False, True)
_chosen: weakref.WeakKeyDictionary[Any, dict[Any, tuple[Scenario, str] | None]] = weakref.WeakKeyDictionary()
_trainers: weakref.WeakKeyDictionary[Any, dict[Any, Trainer]] = weakref.WeakKeyDictionary()


def probe(
    subject: Any,
    contract: Contract,
    *,
    live: Live | None,
    runs: Sequence[Run] = (),
    first: Sequence[int] = (),
    own: Own | None = None,
    task: str = "",
    terms: bool = False,
) -> Any:
    """What the loss says at known answers, for each seed of `first`, and the trainings `runs`.

    Args:
        own: a model and data of the user's, instead of ours.
        task: the name of a task, instead of the one that the specs and the loss at known answers suggest.
        terms: only what the terms of the loss are called is asked for.
    """
    if terms:
        return names_of_terms(subject, live) if live is not None else ()
    trial = Trial(subject, contract, own, task, live)
    return [trial.first(seed) for seed in first], [trial.train(run) for run in runs]


@dataclass(frozen=True)
class Trial:
    """One loss under trial; `name` is that of the task, "" for the one that specs and loss suggest."""

    subject: Any
    contract: Contract
    own: Own | None
    name: str
    live: Live | None

    def loss(self, run: Run, task: Task) -> Loss:
        """The standard loss of the task, or the tested one, with another weight of a term if the run asks for it."""
        if run.loss == "standard":
            return standard(task.standard)
        if not run.term:
            return self.subject.call
        if self.live is None:
            raise SessionError("the loss could not be traced")
        return with_weight(self.subject, self.contract, self.live, run.term, run.factor)

    def task(self, seed: int, scale: float = 1.0, name: str = "") -> Task:
        """The data of a seed; `name` for other data than those of the trial."""
        if self.own is not None:
            return task_of_own(self.subject, self.contract, self.own, scale)
        chosen = self.chosen(name or self.name)
        return task_of(self.contract, seed, scale) if chosen is None else drawn(self.contract, *chosen, seed)

    def chosen(self, name: str) -> tuple[Scenario, str] | None:
        """The scenario and its convention; None for the task that the specs state."""
        known = _chosen.setdefault(self.subject, {})
        key = (str(self.contract), name)
        if key not in known:
            known[key] = self._choice(name)
        return known[key]

    def _choice(self, name: str) -> tuple[Scenario, str] | None:
        fitting = [one for one in scenarios(self.contract) if one.name == name or (not name and one.place != "asked")]
        if not fitting:
            return None
        ways: dict[str, list[tuple[Scenario, str] | None]] = {"before": [], "instead": [], "asked": []}
        for one in fitting:
            ways[one.place] += [(one, convention) for convention in one.conventions]
        own: list[tuple[Scenario, str] | None] = [] if name else [None]
        candidates = [*ways["before"], *own, *ways["instead"], *ways["asked"]]
        for candidate in candidates:
            task = task_of(self.contract, 0) if candidate is None else drawn(self.contract, *candidate, 0)
            if self._agrees(task, clearly=candidate is not None):
                return candidate
        return candidates[0] if name else None

    def _agrees(self, task: Task, *, clearly: bool) -> bool:
        """Whether no prediction that is worse than the answer has a lower loss, or, if `clearly`, about the same."""
        if task.answer is None:
            return False
        trainer = Trainer(self.subject.call, self.contract, task, 1)
        try:
            values = _values(trainer, self.contract, task, None)
            alike = all(_holds(trainer, self.contract, one) for one in task.alike)
        except Exception:  # the loss is the user's
            return False
        if not alike or not np.isfinite(values["answer"]) or beating(values):
            return False
        others = [value for name, value in values.items() if name != "answer"]
        return not clearly or min(others) > values["answer"] + 1e-3 * (max(others) - values["answer"])

    def trainer(self, run: Run, task: Task) -> Trainer:
        own = _trainers.setdefault(self.subject, {})
        key = (
            run.loss,
            run.task,
            run.term,
            run.factor,
            run.steps,
            run.batch,
            str(self.contract),
            self.own and self.own.key,
            self.name,
        )
        if key not in own:
            own[key] = Trainer(self.loss(run, task), self.contract, task, run.steps, run.batch)
        return own[key]

    def train(self, run: Run) -> Outcome:
        task = self.task(run.seed, run.scale, run.task)
        if run.loss == "standard" and task.standard == "none":
            return Outcome(run, problem="the task has no standard loss")
        trainer = self.trainer(run, task)
        try:
            made = trainer.train(task, run.seed, run.rate, adam=run.optimizer == "adam", one_batch=run.one_batch)
        except Exception as problem:  # the loss is the user's: anything may be raised
            return Outcome(run, problem=_said(problem))
        rows = slice(0, trainer.batch) if run.one_batch else slice(None)
        before, after = (np.asarray(part[0])[rows] for part in (made.first, made.last))
        if task.name == "free":
            errors = (float("nan"),) * 4
        else:
            errors = tuple(
                error_of(task, part, rows, loose=loose) for loose in (False, True) for part in (before, after)
            )
        finite = np.isfinite(made.curve)
        chosen = np.unique(np.linspace(0, len(made.curve) - 1, CURVE).astype(int))
        answer = () if task.answer is None else tuple(task.answer[rows].reshape(-1)[:48].tolist())
        return Outcome(
            run,
            start=errors[0],
            end=errors[1],
            loose_start=errors[2],
            loose_end=errors[3],
            curve=tuple(made.curve[chosen].tolist()),
            steps=tuple(chosen.tolist()),
            finite=bool(finite.all()) and all(bool(np.all(np.isfinite(part))) for part in made.last),
            moved=made.moved,
            answer=answer,
            predicted=tuple(after.reshape(-1)[:48].tolist()),
        )

    def first(self, seed: int) -> First:
        """Values at the known answer and at worse predictions, and the size of the gradient at a fresh model's."""
        task = self.task(seed)
        trainer = Trainer(self.subject.call, self.contract, task, 1)
        made = _at_start(trainer, task, seed)
        if isinstance(made, str):
            return First(seed, task.name, task.standard, problem=made)
        value, gradient, predictions = made
        found = First(
            seed,
            task.name,
            task.standard,
            convention=task.convention,
            gradient="none" if gradient is None else "finite" if np.all(np.isfinite(gradient)) else "non-finite",
            norm=0.0 if gradient is None else float(np.sqrt(np.mean(gradient**2))),
        )
        if gradient is not None and found.norm == 0.0:
            found = replace(found, gradient="zero")
        if not np.isfinite(value):
            found = replace(found, gradient="non-finite")
        if task.standard != "none":
            reference = Trainer(standard(task.standard), self.contract, task, 1)
            other = _at_start(reference, task, seed)
            if not isinstance(other, str) and other[1] is not None:
                found = replace(found, standard_norm=float(np.sqrt(np.mean(other[1] ** 2))))
        values = _values(trainer, self.contract, task, predictions)
        return replace(found, values=values)


def pair_of(contract: Contract, task: Task, predictions: Sequence[Any], rows: Any) -> Pair:
    """Targets and predictions of some samples of a task.

    Args:
        predictions: for all samples, an array for each part of y_pred.
        rows: the samples.
    """
    made = [
        np.asarray(part).astype(numpy_dtype(spec.dtype))
        for part, spec in zip(predictions, specs(contract.y_pred), strict=True)
    ]
    return chosen(make_pair(contract, [*task.truths, *made]), contract, rows)


def _said(problem: Exception) -> str:
    text = str(problem)
    return f"{type(problem).__name__}: {text.splitlines()[0] if text else ''}"


def _at_start(trainer: Trainer, task: Task, seed: int) -> Any:
    """Value, gradient of the first part of y_pred that has one, and the predictions of a fresh model."""
    predictions = trainer.fresh_predictions(task, seed)
    truths = [tf.constant(truth) for truth in task.truths]

    def both(true: Any, predicted: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(predicted)
            value = trainer.value(true, predicted)
        slopes = [None if g is None else tf.convert_to_tensor(g) for g in tape.gradient(value, predicted)]
        known.append([g is not None for g in slopes])
        return value, [tf.zeros_like(x) if g is None else g for g, x in zip(slopes, predicted, strict=True)]

    known: list[list[bool]] = []
    try:
        value, slopes = tf.function(both, autograph=False)(truths, predictions)
    except Exception as problem:  # the loss is the user's
        return _said(problem)
    real = [np.asarray(g, np.float64).reshape(-1) for g, there in zip(slopes, known[0], strict=True) if there]
    return float(value), np.concatenate(real) if real else None, [np.asarray(p, np.float64) for p in predictions]


def _holds(trainer: Trainer, contract: Contract, one: Alike) -> bool:
    """Whether a loss has, or has not, the same value for two inputs."""
    true, pred = specs(contract.y_true)[0], specs(contract.y_pred)[0]
    pairs = ((one.truth, one.prediction), (one.other_truth, one.other_prediction))
    first, second = (
        float(trainer.value([tf.cast(truth, true.dtype)], [tf.cast(prediction, pred.dtype)]))
        for truth, prediction in pairs
    )
    return (abs(first - second) <= 1e-4 * max(abs(first), abs(second), 1e-3)) == one.same


def _values(trainer: Trainer, contract: Contract, task: Task, fresh: list[Float] | None) -> dict[str, float]:
    """The loss at the answer, at worse predictions, and, of a fresh model's, with the targets of other samples."""
    dtypes = [spec.dtype for spec in specs(contract.y_pred)]
    truths = [tf.constant(truth) for truth in task.truths]
    others = [np.roll(truth, 1 + len(truth) // 3, axis=0) for truth in task.truths]
    same = all(np.array_equal(other, truth) for other, truth in zip(others, task.truths, strict=True))
    rolled = [tf.constant(other) for other in others]
    function = tf.function(trainer.value, autograph=False)

    def value(true: list[Any], predicted: list[Float]) -> float:
        given = [tf.cast(tf.constant(p), dtype) for p, dtype in zip(predicted, dtypes, strict=True)]
        return float(function(true, given))

    found: dict[str, float] = {}
    if fresh is not None:
        found["fresh"] = value(truths, fresh)
    if fresh is not None and not same:
        found["fresh, targets of other samples"] = value(rolled, fresh)
    if task.answer is not None:
        found["answer"] = value(truths, [task.answer])
        found |= {name: value(truths, [np.asarray(other)]) for name, other in task.wrong.items()}
    return found
