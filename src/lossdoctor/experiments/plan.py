"""Which trainings answer which question, in the order in which they are run."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.experiments.outcomes import Run

SEEDS = 4
RATE, LOWER, HIGHER = 0.03, 0.01, 0.1


def seeds_of(seed: int) -> tuple[int, ...]:
    """The seeds of the trainings of an experiment with one seed."""
    return tuple(1000 * seed + number for number in range(SEEDS))


def quick(seed: int) -> list[Run]:
    """One batch first, then a small model with the tested and the standard loss."""
    own = seeds_of(seed)
    runs = [Run("tested", one, RATE, one_batch=True) for one in own[:2]]
    for one in own:
        runs += [Run("tested", one, RATE), Run("standard", one, RATE)]
    return runs


def again(seed: int) -> list[Run]:
    """A lower learning rate, before a loss is blamed."""
    return [Run("tested", one, LOWER) for one in seeds_of(seed)]


def thorough(seed: int) -> Iterator[Run]:
    """More learning rates, plain gradient descent, smaller and larger batches, targets of other scales."""
    for one in seeds_of(seed):
        for loss in ("tested", "standard"):
            for rate in (LOWER / 3, LOWER, HIGHER):
                yield Run(loss, one, rate, steps=150)
            for rate in (0.01, 0.1):
                yield Run(loss, one, rate, optimizer="sgd")
            for batch in (4, 64):
                yield Run(loss, one, RATE, batch=batch)
            for scale in (0.01, 100.0):
                yield Run(loss, one, RATE, scale=scale)
