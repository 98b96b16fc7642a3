"""What makes a run by name and seed, and reads onsets off logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np
from benchmarks import fresh_tasks as t
from benchmarks.keras_runs import lowest
from benchmarks.keras_training import Fault, Plan, train
from benchmarks.run import Run

_O = keras.optimizers
_SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
Maker = Callable[[str, int], Run]


def planned(kind: str, made: Callable[[np.random.Generator], tuple[Plan, Fault]], *also: str) -> Maker:
    def run(name: str, seed: int) -> Run:
        plan, fault = made(np.random.default_rng(7000 + seed))
        return train(name, kind, plan, seed, fault, also)

    return run


def fitted(kind: str, made: Callable[[np.random.Generator], t.Fit], *also: str, onset: int = 0) -> Maker:
    return lambda name, seed: t.fit(name, kind, made(np.random.default_rng(7000 + seed)), seed, onset, also)


def memorised(inner: Maker) -> Maker:
    return lambda name, seed: lowest(inner(name, seed))


def dated(inner: Maker, onset: Callable[[Run], int]) -> Maker:
    """The run with the onset read off the log."""

    def run(name: str, seed: int) -> Run:
        made = inner(name, seed)
        return replace(made, onset=onset(made))

    return run


def turned(run: Run) -> int:
    """Where the smoothed loss is lowest, before the first that is no number."""
    loss = run.columns["loss"]
    broken = np.flatnonzero(~np.isfinite(loss))
    loss = loss[: broken[0]] if len(broken) else loss
    return int(np.argmin(np.convolve(loss, np.ones(5) / 5, mode="valid"))) + 2 if len(loss) > 5 else 0


def rate_gone(run: Run) -> int:
    """Where the rate has fallen below a hundredth of the first."""
    rate = run.columns["learning_rate"]
    return int(np.flatnonzero(rate < 0.01 * rate[0])[0])
