"""The worker's side of `isolate` for a training that diverges: which terms it needs, and where it breaks.

Small models are trained as `experiment` does. A term is needed if the training goes well without it. What is needed is
to blame if it diverges by itself; else the term is with which, its sign turned, everything goes well; else terms are
dropped one after the other as long as it still diverges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from lossdoctor.experiments.isolation import Search
from lossdoctor.experiments.measure import Meter
from lossdoctor.experiments.outcomes import Run
from lossdoctor.experiments.reading import Culprit, Route
from lossdoctor.experiments.scripts import Way, leading_away_script, run_here
from lossdoctor.experiments.tasks import Task, error_of
from lossdoctor.experiments.term import Term
from lossdoctor.experiments.terms import terms_of
from lossdoctor.experiments.training import Loss, Trained, Trainer
from lossdoctor.experiments.trial import Trial, pair_of
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.search.leaves import arrays
from lossdoctor.session import Pair, SessionError
from lossdoctor.spec import Contract

Fate = Literal["well", "breaks", "runs away"]
_WORSE = 1.2  # times the error before, from which a training that lowers its loss leads away
_FAR = 8.0  # times the size of predictions and targets before, where no answer is known
_SAMPLES = 8  # of a batch that shows what was learned wrongly


def probe(subject: Any, contract: Contract, *, live: Live | None, runs: Sequence[Run], seed: int = 0) -> Culprit | None:
    """Find the terms that make trainings diverge; None where they do not.

    Args:
        runs: trainings of which most have to diverge.

    Raises:
        SessionError: the loss was not traced.
    """
    if live is None:
        raise SessionError("the loss could not be traced")
    found, route = terms_of(live, subject.loaded.name)
    search = Search(live, contract, Meter(live, found, route), found, None, seed)
    trials = _Trials(subject, contract, route, [part.name for part in found.parts], list(runs))
    whole = tuple(range(len(found.parts)))
    fate = trials.fate(whole)
    if fate == "well":
        return None
    numbers = trials.smallest(whole, fate)
    return _Breaking(search, trials, numbers).culprit() if fate == "breaks" else _away(search, trials, numbers)


@dataclass
class _Trials:
    """Trainings with some terms of a loss only."""

    subject: Any
    contract: Contract
    route: Route
    names: list[str]
    runs: list[Run]

    @cached_property
    def tasks(self) -> list[Task]:
        trial = Trial(self.subject, self.contract, None, "", None)
        return [trial.task(run.seed, run.scale) for run in self.runs]

    def loss(self, numbers: tuple[int, ...], turned: int | None = None) -> Loss:
        """The sum of some terms, one of them with its sign turned."""
        if turned is not None:
            rest, alone = self.loss(numbers), self.loss((turned,))
            return lambda y_true, y_pred: rest(y_true, y_pred) - 2 * alone(y_true, y_pred)
        if len(numbers) == len(self.names):
            return self.subject.call
        return Term(self.subject.call, self.contract, self.route, numbers, " + ".join(self.names[k] for k in numbers))

    def trainer(self, numbers: tuple[int, ...], turned: int | None = None) -> Trainer:
        return Trainer(self.loss(numbers, turned), self.contract, self.tasks[0], self.runs[0].steps, self.runs[0].batch)

    def fate(self, numbers: tuple[int, ...], turned: int | None = None) -> Fate:
        """What becomes of most of the trainings."""
        trainer = self.trainer(numbers, turned)
        found = [_fate(self.train(trainer, k), task) for k, task in enumerate(self.tasks)]
        if 2 * found.count("breaks") > len(found):
            return "breaks"
        return "runs away" if 2 * found.count("runs away") > len(found) else "well"

    def train(self, trainer: Trainer, number: int, stop: int | None = None) -> Trained:
        run = self.runs[number]
        return trainer.train(
            self.tasks[number], run.seed, run.rate, adam=run.optimizer == "adam", one_batch=run.one_batch, stop=stop
        )

    def smallest(self, whole: tuple[int, ...], fate: Fate) -> tuple[int, ...]:
        """Terms that diverge alone, of which none can be dropped."""
        if len(whole) == 1:
            return whole
        needed = tuple(k for k in whole if self.fate(_without(whole, k)) != fate)
        if needed and (needed == whole or self.fate(needed) == fate):
            return needed
        # Of two that each diverge alone, one is held by the other in the loss as it was meant.
        turned = [k for k in whole if self.fate(whole, k) == "well"]
        if len(turned) == 1:
            return (turned[0],)
        left = whole
        for k in whole:
            if k not in needed and len(left) > 1 and self.fate(_without(left, k)) == fate:
                left = _without(left, k)
        return left


def _without(numbers: tuple[int, ...], number: int) -> tuple[int, ...]:
    return tuple(k for k in numbers if k != number)


def _fate(made: Trained, task: Task) -> Fate:
    if not np.all(np.isfinite(made.curve)) or not all(np.all(np.isfinite(part)) for part in made.last):
        return "breaks"
    if task.answer is not None:
        before, after = (error_of(task, np.asarray(part[0])) for part in (made.first, made.last))
        return "runs away" if after > _WORSE * before else "well"
    sizes = [max(float(np.max(np.abs(part), initial=0.0)) for part in parts) for parts in (made.first, made.last)]
    target = max((float(np.max(np.abs(part), initial=0.0)) for part in map(np.asarray, task.truths)), default=0.0)
    return "runs away" if sizes[1] > _FAR * max(sizes[0], target, 1.0) else "well"


def _pair(trials: _Trials, number: int, predictions: tuple[Any, ...], rows: Any) -> Pair:
    return pair_of(trials.contract, trials.tasks[number], predictions, rows)


# ---- what becomes NaN or infinite


@dataclass
class _Breaking:
    search: Search
    trials: _Trials
    numbers: tuple[int, ...]

    def culprit(self) -> Culprit:
        """The operation that makes the first bad number, at the batch of the step at which it does."""
        pair, symptom = self.broken()
        if symptom is None:
            numbers = self.numbers
            node = self.search.parts[numbers[0]].node
            return self.search.told("divergence", numbers, node, node, pair, "")
        self.search.given = pair
        found = self.search.of(symptom)
        assert found is not None
        return replace(found, symptom="divergence")

    def broken(self) -> tuple[Pair, Literal["nonfinite-value", "nonfinite-gradient"] | None]:
        trainer = self.trials.trainer(self.numbers)
        for number in range(len(self.trials.runs)):
            made = self.trials.train(trainer, number)
            bad = np.flatnonzero(~np.isfinite(made.curve))
            last = int(bad[0]) if len(bad) else len(made.curve)
            # A bad gradient shows one step later, in the predictions.
            for step in (last, last - 1):
                if not 0 <= step < len(made.rows):
                    continue
                before = self.trials.train(trainer, number, step)
                if not all(np.all(np.isfinite(part)) for part in before.last):
                    continue
                pair = _pair(self.trials, number, before.last, made.rows[step])
                run = self.search.meter.run(pair)
                for k in self.numbers:
                    for symptom in ("nonfinite-value", "nonfinite-gradient"):
                        if self.search.shown(run, k, symptom):
                            return pair, symptom
        return _pair(self.trials, 0, made.first, made.rows[0]), None


# ---- what leads ever further away


def _away(search: Search, trials: _Trials, numbers: tuple[int, ...]) -> Culprit:
    """The term, and a batch at which going down its gradient leads away."""
    trainer = trials.trainer(numbers)
    made = trials.train(trainer, 0)
    pair = _pair(trials, 0, made.first, np.arange(_SAMPLES))
    first = numbers[0]
    search.given = pair
    place = search.turned(search.parts[first].node)
    way = _answers(search, trials, pair)
    script = ""
    if len(numbers) == 1:
        script = leading_away_script(search.live, search.meter.contributions[first], pair, way)
        script = script if run_here(script) == 1 else ""
    return search.told("divergence", numbers, place, search.parts[first].node, pair, script)


def _answers(search: Search, trials: _Trials, pair: Pair) -> Way:
    """The known answer of the task at the samples of a pair."""
    from lossdoctor.experiments.signs import way_of

    way = way_of(search.contract, pair)
    answer = trials.tasks[0].answer
    if answer is None or len(way.answers) != 1:
        return way
    shape = arrays(search.contract.y_pred, pair.y_pred)[0].shape
    return replace(way, answers=(answer[:_SAMPLES].reshape(shape),))
