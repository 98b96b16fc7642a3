"""Is the gradient exactly zero where the loss could still fall?

Two questions, at realistic draws. Samples: is the whole gradient of a sample zero although another prediction for
the same y_true has a clearly lower loss? Entries: with every other entry at its target, is the gradient of the one
that is wrong zero although the loss is clearly above that at the target? A margin that is met, a masked entry or
an entry that a maximum did not select cannot be improved by moving it, so it is not asked about at all.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossdoctor.graph.ir import Node
from lossdoctor.probes import batches, targets
from lossdoctor.probes.calls import Caller, Subject, caller
from lossdoctor.probes.dead_blame import blame
from lossdoctor.probes.dead_region import Target, is_row, region
from lossdoctor.probes.dead_runs import Refused, Runs, above, level
from lossdoctor.probes.draws import draw
from lossdoctor.probes.draws import pair as draw_pair
from lossdoctor.probes.relations import Relation
from lossdoctor.readings import DeadGradient
from lossdoctor.search.evaluate import leaves
from lossdoctor.session import Array, Pair, Value
from lossdoctor.spec import BATCH, Contract, Spec, shape_of

SHARE = 0.01  # of realistic draws, from which on a dead gradient counts
LEAST = 2  # draws, for where few are made
DRAWS = 1024  # samples: a share of 1 % is then known to 0.3 %
ELEMENTS = 2**18  # of y_pred in one call, at most
REGION_ELEMENTS = 2**22  # the same for the walk along one coordinate
OTHERS = 4  # other draws of y_pred, to compare with
SUSPECTS = 32  # dead samples (or entries) that are compared with better predictions
SUSPECTS_ALONE = 10  # the same where each needs a call of its own
FEW, MANY = 8, 64  # samples whose times tell a loop over the batch: then few are drawn
SECONDS = 0.06  # that the time may grow by
WHOLE_SECONDS, WHOLE_DRAWS = 0.06, (16, 128)  # for losses of the whole batch, or of a batch of one
SEPARABLE: frozenset[Relation] = frozenset({"per-sample", "flattened", "mean", "sum"})


@dataclass(frozen=True)
class _Found:
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


def probe(subject: Subject, contract: Contract, *, seed: int = 0, relation: Relation | None = None) -> DeadGradient:
    """Look for samples and entries with a dead gradient.

    Args:
        relation: how the loss of a batch follows from its samples, if that is known; else it is found out.
    """
    rng = np.random.default_rng(seed)
    alone = targets.needs_batch_of_one(contract)
    call = caller(subject, contract, rng, batch=1 if alone else None)
    if call is None:
        return DeadGradient(False, "the loss does not accept ordinary inputs of its specs")
    if relation is None:
        relation = batches.probe(subject, contract, seed=seed).relation
    specs: list[Spec] = leaves(contract.y_pred)
    separable = relation in SEPARABLE and not alone and all(BATCH in spec.dims for spec in specs)
    known = targets.meaning(contract, call.sizes)
    runs = Runs(call, contract, relation == "per-sample")
    try:
        first = draw_pair(contract, rng, call.sizes)
        (value, gradients), (again, _) = runs.evaluate(first), runs.evaluate(first)
        if not np.array_equal(value, again, equal_nan=True):
            return DeadGradient(False, "two calls with the same input differ: the loss draws random numbers")
        if all(gradient is None for gradient in gradients):
            return DeadGradient(False, "no gradient reaches y_pred")
        stated = () if isinstance(known, str) else _stated(contract, call, len(known.targets))
        if separable:
            with contextlib.suppress(Refused):  # some losses refuse a batch of this size
                return _separable(subject, runs, contract, stated, rng)
        return _whole(subject, runs, contract, stated, rng)
    except Refused as problem:
        return DeadGradient(False, f"the loss raises {problem}")


def _stated(contract: Contract, call: Caller, count: int) -> tuple[Target, ...]:
    """The predictions that state a y_true of any batch size, one for each convention."""

    def of(index: int) -> Target:
        def target(y_true: Array) -> Array:
            known = targets.meaning(contract, {**call.sizes, BATCH: len(y_true)})
            assert not isinstance(known, str)
            return known.targets[index](y_true)

        return target

    return tuple(of(index) for index in range(count))


# ---- losses that treat samples one by one ------------------------------------------------------------------------


def _separable(
    subject: Subject, runs: Runs, contract: Contract, stated: Sequence[Target], rng: np.random.Generator
) -> DeadGradient:
    count = _draws(runs, contract)
    pair = draw_pair(contract, rng, {**runs.call.sizes, BATCH: count})
    samples = _samples(runs, pair, stated, rng)
    entries, target = _Found(0), None
    if stated:
        target = _best_target(runs, contract, stated, pair.y_true)
        units = _units(contract, runs.call)
        entries = samples if units == 1 else _entries(runs, contract, pair, target, units, rng)
    found = entries if entries.share >= samples.share and not samples.everywhere else samples
    if not found.counts:
        return DeadGradient(True, draws=count)
    return _described(subject, runs, contract, found, entries, target)


def _draws(runs: Runs, contract: Contract) -> int:
    """How many samples to draw: fewer of large ones, and where time grows with their number."""
    size = sum(int(np.prod(shape_of(spec, {**runs.call.sizes, BATCH: 1}))) for spec in leaves(contract.y_pred))
    most = max(min(DRAWS, ELEMENTS // max(size, 1)), 4)
    if most <= MANY:
        return most
    few, many = (min(_seconds(runs, contract, count) for _ in range(2)) for count in (FEW, MANY))
    slope = max(many - few, 0.0) / (MANY - FEW)
    return next((count for count in (most, most // 4) if count > MANY and slope * count < SECONDS), MANY)


def _seconds(runs: Runs, contract: Contract, count: int) -> float:
    """Of the processor, which depends less than the clock on what else the machine does."""
    pair = draw_pair(contract, np.random.default_rng(0), {**runs.call.sizes, BATCH: count})
    started = time.process_time()
    runs.evaluate(pair)
    return time.process_time() - started


def _samples(runs: Runs, pair: Pair, stated: Sequence[Target], rng: np.random.Generator) -> _Found:
    """Samples whose whole gradient is zero, against other predictions for the same y_true."""
    dead = runs.dead_samples(runs.evaluate(pair)[1])
    count = len(dead)
    if dead.mean() < SHARE:
        return _Found(count)
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
        return _Found(count)
    place = int(np.argmax(confirmed))
    better = others[int(np.argmin(np.where(np.isnan(losses[:, place]), np.inf, losses[:, place])))]
    share = float(dead.mean() * confirmed.mean())
    one = [place]
    return _Found(count, share, bool(dead.all()), runs.part(own, one), runs.part(Pair(own.y_true, better), one).y_pred)


def _units(contract: Contract, call: Caller) -> int:
    """Entries (or rows of classes) of one sample of y_pred."""
    spec = contract.y_pred
    assert isinstance(spec, Spec)
    shape = shape_of(spec, {**call.sizes, BATCH: 1})
    return int(np.prod(shape[:-1] if is_row(contract) else shape))


def _best_target(runs: Runs, contract: Contract, stated: Sequence[Target], y_true: Array) -> Target:
    """The form of the target that this loss likes best, by its mean over some samples."""
    spec = contract.y_pred
    assert isinstance(spec, Spec)
    some = y_true[:16]
    losses = [runs.mean(Pair(some, targets.as_prediction(target(some), spec))) for target in stated]
    return stated[int(np.argmin(np.where(np.isnan(losses), np.inf, losses)))]


def _entries(
    runs: Runs,
    contract: Contract,
    pair: Pair,
    target: Target,
    units: int,
    rng: np.random.Generator,
) -> _Found:
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
        return _Found(count)
    dead = ~np.any(gradient.reshape(count, units, -1)[place], axis=1)
    if dead.mean() < SHARE:
        return _Found(count)
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
        return _Found(count)
    shown = int(np.argmax(confirmed))
    first = int(place[1][suspects[shown]]) * width
    return _Found(
        count,
        float(dead.mean() * confirmed.mean()),
        pair=runs.part(own, [shown]),
        better=base[suspects[shown : shown + 1]],
        entries=tuple(range(first, first + width)),
    )


# ---- losses of the whole batch -------------------------------------------------------------------------------------


def _whole(
    subject: Subject, runs: Runs, contract: Contract, stated: Sequence[Target], rng: np.random.Generator
) -> DeadGradient:
    """Whole batches whose gradient is zero, against other predictions for the same y_true."""
    seconds = _seconds(runs, contract, runs.call.sizes.get(BATCH, 1))
    count = int(np.clip(WHOLE_SECONDS / max(seconds, 1e-6), *WHOLE_DRAWS))
    dead: list[Pair] = []
    for _ in range(count):
        pair = draw_pair(contract, rng, runs.call.sizes)
        if not any(gradient is not None and np.any(gradient) for gradient in runs.evaluate(pair)[1]):
            dead.append(pair)
    confirmed: list[tuple[Pair, Value]] = []
    for pair in dead[:SUSPECTS_ALONE]:
        better = _better(runs, contract, pair, stated, rng)
        if better is not None:
            confirmed.append((pair, better))
    found = _Found(count)
    if confirmed:
        share = len(dead) / count * len(confirmed) / len(dead[:SUSPECTS_ALONE])
        found = _Found(count, share, len(dead) == count, *confirmed[0])
    if not found.counts:
        return DeadGradient(True, draws=count)
    return _described(subject, runs, contract, found, _Found(0), None)


def _better(runs: Runs, contract: Contract, pair: Pair, stated: Sequence[Target], rng: np.random.Generator) -> Value:
    """Another prediction with a clearly lower loss for the same y_true, or None."""
    others = [draw(contract.y_pred, rng, runs.call.sizes) for _ in range(OTHERS)]
    if stated:
        spec = contract.y_pred
        assert isinstance(spec, Spec)
        others += [targets.as_prediction(target(pair.y_true), spec) for target in stated]
    losses = np.array([runs.mean(Pair(pair.y_true, other)) for other in others])
    if np.all(np.isnan(losses)):
        return None
    best = int(np.nanargmin(losses))
    value = np.array(runs.mean(pair))
    if not bool(above(value, losses[best], float(np.nanstd(losses)))):
        return None
    nearby = runs.mean(runs.nudged(pair, rng))
    return others[best] if bool(level(value, np.array(nearby))) else None


# ---- what is told ----------------------------------------------------------------------------------------------------


def _described(
    subject: Subject,
    runs: Runs,
    contract: Contract,
    found: _Found,
    entries: _Found,
    target: Target | None,
) -> DeadGradient:
    """The region in words with its plainest input, and the line to blame."""
    assert found.pair is not None
    words, pair, better, which = "", found.pair, found.better, found.entries
    seen = region(runs, contract, target) if target and entries.counts and _walkable(contract, runs.call) else None
    if seen is not None:
        words, pair, better, which = seen.words, seen.pair, seen.target, seen.entries
    elif which is None:
        pair, better = runs.rounded(pair, better)
    node = _blamed(subject, runs, contract, (pair, found.pair))
    return DeadGradient(
        True,
        draws=found.draws,
        share=found.share,
        everywhere=found.everywhere,
        region="" if found.everywhere else words,
        pair=pair,
        better=better,
        entries=which,
        value=runs.mean(pair),
        better_value=runs.mean(Pair(pair.y_true, better)),
        calls=node.calls if node is not None else (),
    )


def _walkable(contract: Contract, call: Caller) -> bool:
    spec = contract.y_pred
    assert isinstance(spec, Spec)
    return 803 * int(np.prod(shape_of(spec, {**call.sizes, BATCH: 1}))) <= REGION_ELEMENTS


def _blamed(subject: Subject, runs: Runs, contract: Contract, pairs: Sequence[Pair]) -> Node | None:
    """The forward operation where the gradient dies, from a trace of the loss."""
    import tensorflow as tf

    from lossdoctor.graph.frontend_tf import trace

    def call(y_true: object, y_pred: object) -> object:
        predicted = tf.nest.flatten(y_pred)[0].dtype
        true = tf.nest.map_structure(lambda one: tf.cast(one, predicted), y_true) if runs.call.cast else y_true
        return subject.call(true, y_pred)

    try:
        live = trace(call, contract, is_user=subject.is_user)
        for pair in pairs:
            node = blame(live, pair)
            if node is not None and node.calls:
                return node
    except Exception:  # the loss is the user's, and may not be traceable: then its definition is shown
        return None
    return None
