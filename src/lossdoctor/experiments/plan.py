"""Which trainings answer which question, in the order in which they are run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lossdoctor.experiments.outcomes import Run

SEEDS = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """Learning rates for Adam, and steps of a training."""

    usual: float = 0.03
    lower: float = 0.01
    higher: float = 0.1
    steps: int = 150


FACTORS = (0.0, 0.1, 10.0)  # of the weight of a term; 0 leaves it out
_TERMS = 8  # that are swept
SMALL = Pace()  # of our small models
OWN = Pace(0.01, 0.002, 0.03, 200)  # of models that are larger


def seeds_of(seed: int) -> tuple[int, ...]:
    """The seeds of the trainings of an experiment with one seed."""
    return tuple(1000 * seed + number for number in range(SEEDS))


def quick(seed: int, pace: Pace = SMALL) -> list[Run]:
    """One batch first, then a small model with the tested and the standard loss."""
    own = seeds_of(seed)
    runs = [Run("tested", one, pace.usual, steps=pace.steps, one_batch=True) for one in own[:2]]
    for one in own:
        runs += [Run(loss, one, pace.usual, steps=pace.steps) for loss in ("tested", "standard")]
    return runs


def again(seed: int, pace: Pace = SMALL) -> list[Run]:
    """A lower learning rate, before a loss is blamed."""
    return [Run("tested", one, pace.lower, steps=pace.steps) for one in seeds_of(seed)]


def thorough(seed: int, pace: Pace = SMALL) -> Iterator[Run]:
    """More learning rates, plain gradient descent, smaller and larger batches, targets of other scales."""
    for one in seeds_of(seed):
        for loss in ("tested", "standard"):
            for rate in (pace.lower / 3, pace.lower, pace.higher):
                yield Run(loss, one, rate, steps=pace.steps)
            for rate in (pace.lower, pace.higher):
                yield Run(loss, one, rate, optimizer="sgd", steps=pace.steps)
            for batch in (4, 64):
                yield Run(loss, one, pace.usual, batch=batch, steps=pace.steps)
            for scale in (0.01, 100.0):
                yield Run(loss, one, pace.usual, scale=scale, steps=pace.steps)


def sweep(seed: int, terms: Sequence[str], pace: Pace = SMALL) -> Iterator[Run]:
    """Each term left out, and with a tenth and ten times of its weight."""
    for term in terms[:_TERMS] if len(terms) > 1 else ():
        for factor in FACTORS:
            for one in seeds_of(seed):
                yield Run("tested", one, pace.usual, steps=pace.steps, term=term, factor=factor)


def other_data(seed: int, tasks: Sequence[str], pace: Pace = SMALL) -> Iterator[Run]:
    """The tested and the standard loss on other tasks for the same specs."""
    for task in tasks:
        for one in seeds_of(seed):
            for loss in ("tested", "standard"):
                yield Run(loss, one, pace.usual, steps=pace.steps, task=task)
