"""Samples and entries whose gradient is exactly zero although their loss could fall, among realistic draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossdoctor.probes import targets
from lossdoctor.probes.calls import Caller
from lossdoctor.probes.dead_region import Target, is_row
from lossdoctor.probes.dead_runs import Runs, above
from lossdoctor.search.evaluate import leaves
from lossdoctor.session import Array, Pair, Value
from lossdoctor.spec import BATCH, Contract, Spec, shape_of

SHARE = 0.01  # of realistic draws, from which on a dead gradient counts
LEAST = 2  # draws, for where few are made
DRAWS = 512  # samples: a share of 1 % is then known to 0.4 %
ELEMENTS = 2**18  # of y_pred in one call, at most
HELD = 2**26  # numbers of the largest tensor of the loss in one call, at most
OTHERS = 4  # other draws of y_pred, to compare with
SUSPECTS = 32  # dead samples (or entries) that are compared with better predictions
SUSPECTS_ALONE = 10  # the same where each needs a call of its own


@dataclass(frozen=True)
class Found:
    """One question answered: the share of draws that are dead, and an example."""

    draws: int
    share: float = 0.0
    everywhere: bool = False  # not one draw has a gradient that is not zero
    pair: Pair | None = None
    better: Value = None
    entries: tuple[int, ...] | None = None

    @property
    def counts(self) -> bool:
        return self.pair is not None and self.share >= SHARE and self.share * self.draws >= LEAST - 0.5


def draws_for(runs: Runs, contract: Contract) -> int:
    """How many samples to draw: fewer of large ones. It does not depend on the machine, so that shares do not."""
    size = sum(int(np.prod(shape_of(spec, {**runs.call.sizes, BATCH: 1}))) for spec in leaves(contract.y_pred))
    largest = 1
    if runs.live is not None:  # all pairs of the pixels of an image, say
        shapes = [node.shape for node in runs.live.traced.nodes if node.shape is not None]
        largest = max(math.prod(dim for dim in shape if isinstance(dim, int)) for shape in shapes)
    return max(min(DRAWS, ELEMENTS // max(size, 1), HELD // max(largest, 1)), 4)


def dead_samples(runs: Runs, pair: Pair, stated: Sequence[Target], rng: np.random.Generator) -> Found:
    """Samples whose whole gradient is zero, against other predictions for the same y_true."""
    dead = runs.dead_samples(runs.evaluate(pair)[1])
    count = len(dead)
    if dead.mean() < SHARE:
        return Found(count)
    suspects = np.flatnonzero(dead)[: SUSPECTS if runs.rows else SUSPECTS_ALONE]
    own = runs.part(pair, suspects)
    value = runs.values(own)
    others = [runs.part(pair, rng.integers(count, size=len(suspects))).y_pred for _ in range(OTHERS)]
    if stated:
        spec = runs.contract.y_pred
        assert isinstance(spec, Spec)
        others += [targets.as_prediction(target(own.y_true), spec) for target in stated]
    losses = np.stack([runs.values(Pair(own.y_true, other)) for other in others])
    with np.errstate(invalid="ignore"):
        best = np.min(np.where(np.isnan(losses), np.inf, losses), axis=0)
        spread = float(np.nanstd(losses)) if np.any(~np.isnan(losses)) else 0.0
    confirmed = above(value, best, spread)
    confirmed &= runs.flat(own, value, rng)
    if not np.any(confirmed):
        return Found(count, everywhere=bool(dead.all()))
    place = int(np.argmax(confirmed))
    better = others[int(np.argmin(np.where(np.isnan(losses[:, place]), np.inf, losses[:, place])))]
    share = float(dead.mean() * confirmed.mean())
    one = [place]
    return Found(count, share, bool(dead.all()), runs.part(own, one), runs.part(Pair(own.y_true, better), one).y_pred)


def units_of(contract: Contract, call: Caller) -> int:
    """Entries (or rows of classes) of one sample of y_pred."""
    spec = contract.y_pred
    assert isinstance(spec, Spec)
    shape = shape_of(spec, {**call.sizes, BATCH: 1})
    return int(np.prod(shape[:-1] if is_row(contract) else shape))


def best_target(runs: Runs, contract: Contract, stated: Sequence[Target], y_true: Array) -> Target:
    """The form of the target that this loss likes best, by its mean over some samples."""
    spec = contract.y_pred
    assert isinstance(spec, Spec)
    some = y_true[:16]
    losses = [runs.mean(Pair(some, targets.as_prediction(target(some), spec))) for target in stated]
    return stated[int(np.argmin(np.where(np.isnan(losses), np.inf, losses)))]


def dead_entries(
    runs: Runs,
    contract: Contract,
    pair: Pair,
    target: Target,
    units: int,
    rng: np.random.Generator,
) -> Found:
    """One entry of each sample as drawn, all others at the target."""
    spec = contract.y_pred
    assert isinstance(spec, Spec)
    base = targets.as_prediction(target(pair.y_true), spec)
    count = len(base)
    place = (np.arange(count), rng.integers(units, size=count))
    moved = base.reshape(count, units, -1).copy()
    moved[place] = pair.y_pred.reshape(count, units, -1)[place]
    wrong = Pair(pair.y_true, moved.reshape(base.shape))
    gradient = runs.evaluate(wrong)[1][0]
    if gradient is None:
        return Found(count)
    dead = ~np.any(gradient.reshape(count, units, -1)[place], axis=1)
    if dead.mean() < SHARE:
        return Found(count)
    suspects = np.flatnonzero(dead)[: SUSPECTS if runs.rows else SUSPECTS_ALONE]
    own = runs.part(wrong, suspects)
    value, best = runs.values(own), runs.values(Pair(own.y_true, base[suspects]))
    sizes = np.abs(value - best)
    confirmed = above(value, best, float(np.nanmedian(sizes)) if np.any(~np.isnan(sizes)) else 0.0)
    width = moved.shape[-1]
    entry = np.zeros(moved.shape, bool)
    entry[place] = True
    confirmed &= runs.flat(own, value, rng, entry[suspects].reshape(own.y_pred.shape))
    if not np.any(confirmed):
        return Found(count)
    shown = int(np.argmax(confirmed))
    first = int(place[1][suspects[shown]]) * width
    return Found(
        count,
        float(dead.mean() * confirmed.mean()),
        pair=runs.part(own, [shown]),
        better=base[suspects[shown : shown + 1]],
        entries=tuple(range(first, first + width)),
    )
