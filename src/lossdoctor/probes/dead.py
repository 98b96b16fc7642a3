"""Is the gradient exactly zero where the loss could still fall?

Two questions, at realistic draws. Samples: is the whole gradient of a sample zero although another prediction for
the same y_true has a clearly lower loss? Entries: with every other entry at its target, is the gradient of the one
that is wrong zero although the loss is clearly above that at the target? A margin that is met, a masked entry or
an entry that a maximum did not select cannot be improved by moving it, so it is not asked about at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lossdoctor.graph import frontend_tf
from lossdoctor.graph.ir import Node
from lossdoctor.probes import batches, targets
from lossdoctor.probes.calls import Caller, Live, Subject, caller
from lossdoctor.probes.dead_blame import blame
from lossdoctor.probes.dead_constant import constant, lost, others
from lossdoctor.probes.dead_region import Target, region
from lossdoctor.probes.dead_runs import Refused, Runs, above, level
from lossdoctor.probes.dead_samples import (
    OTHERS,
    SUSPECTS_ALONE,
    Found,
    best_target,
    dead_entries,
    dead_samples,
    draws_for,
    units_of,
)
from lossdoctor.probes.dead_variables import revived
from lossdoctor.probes.draws import draw
from lossdoctor.probes.draws import pair as draw_pair
from lossdoctor.probes.relations import Relation
from lossdoctor.readings import DeadGradient
from lossdoctor.search.evaluate import leaves
from lossdoctor.session import Array, Pair, Value
from lossdoctor.spec import BATCH, Contract, Spec, shape_of

REGION_ELEMENTS = 2**22  # of y_pred in one call, for the walk along one coordinate
FEW = 64  # numbers a sample: realistic draws of more are noise, far from what any model says
WHOLE_DRAWS = 48  # batches; a call each
SEPARABLE: frozenset[Relation] = frozenset({"per-sample", "flattened", "mean", "sum"})


def probe(
    subject: Subject,
    contract: Contract,
    *,
    seed: int = 0,
    relation: Relation | None = None,
    repeats: bool | None = None,
    as_traced: bool = False,
    live: Live | None = None,
) -> DeadGradient:
    """Look for samples and entries with a dead gradient.

    Args:
        relation: how the loss of a batch follows from its samples, if that is known; else it is found out.
        repeats: whether equal calls give equal values, if that is known.
        as_traced: whether the loss is known to compute eagerly what the traced graph computes.
        live: the traced loss, if it is there; the runs use it where it computes the same.
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
    if as_traced and live is not None and not call.cast:
        runs = runs.traced(live)
    try:
        first = draw_pair(contract, rng, call.sizes)
        value, gradients = runs.evaluate(first)
        if not repeats and not np.array_equal(value, runs.evaluate(first)[0], equal_nan=True):
            return DeadGradient(False, "two calls with the same input differ: the loss draws random numbers")
        if all(gradient is None for gradient in gradients):
            return DeadGradient(False, "no gradient reaches y_pred")
        if runs.live is None:
            runs = runs.in_graph(live, first, value, gradients)
        stated = _same_values(contract) if isinstance(known, str) else _stated(contract, call, len(known.targets))
        if separable:
            with contextlib.suppress(Refused):  # some losses refuse a batch of this size
                found = _separable(subject, runs, contract, stated, rng)
                few = int(np.prod([np.prod(shape_of(spec, {**call.sizes, BATCH: 1})) for spec in specs])) <= FEW
                return _lasting(call, runs, replace(found, unaimed=not stated and few), rng)
        return _lasting(call, runs, _whole(subject, runs, contract, stated, rng), rng)
    except Refused as problem:
        return DeadGradient(False, f"the loss raises {problem}")


def _lasting(call: Caller, runs: Runs, found: DeadGradient, rng: np.random.Generator) -> DeadGradient:
    """What was found, unless it is gone with the first update of the variables that are trained with the loss."""
    if found.pair is None or not revived(call, runs, found, rng):
        return found
    return DeadGradient(True, draws=found.draws)


def _stated(contract: Contract, call: Caller, count: int) -> tuple[Target, ...]:
    """The predictions that state a y_true of any batch size, one for each convention."""

    def of(index: int) -> Target:
        def target(y_true: Array) -> Array:
            known = targets.meaning(contract, {**call.sizes, BATCH: len(y_true)})
            assert not isinstance(known, str)
            return known.targets[index](y_true)

        return target

    return tuple(of(index) for index in range(count))


def _same_values(contract: Contract) -> tuple[Target, ...]:
    """A linear head for targets of a narrower range. Whether it predicts y_true itself or, say, its logarithm is not
    known; a gradient that is zero while the loss could be lower is a fault in either case."""
    true, pred = contract.y_true, contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec) or true.dims != pred.dims:
        return ()
    return (np.asarray,) if true.kind in ("unit", "positive", "binary") and pred.kind == "real" else ()


# ---- losses that treat samples one by one ------------------------------------------------------------------------


def _separable(
    subject: Subject, runs: Runs, contract: Contract, stated: Sequence[Target], rng: np.random.Generator
) -> DeadGradient:
    count = draws_for(runs, contract)
    pair = draw_pair(contract, rng, {**runs.call.sizes, BATCH: count})
    samples = dead_samples(runs, pair, stated, rng)
    entries, target = Found(0), None
    if stated:
        target = best_target(runs, contract, stated, pair.y_true)
        units = units_of(contract, runs.call)
        entries = samples if units == 1 else dead_entries(runs, contract, pair, target, units, rng)
    found = entries if entries.share >= samples.share and not samples.everywhere else samples
    if not found.counts:
        return _idle(subject, runs, contract, [pair], stated, count)
    return _described(subject, runs, contract, found, entries, target)


# ---- losses of the whole batch -------------------------------------------------------------------------------------


def _whole(
    subject: Subject, runs: Runs, contract: Contract, stated: Sequence[Target], rng: np.random.Generator
) -> DeadGradient:
    """Whole batches whose gradient is zero, against other predictions for the same y_true."""
    count = WHOLE_DRAWS
    dead: list[Pair] = []
    seen: list[Pair] = []
    for _ in range(count):
        pair = draw_pair(contract, rng, runs.call.sizes)
        seen.append(pair)
        if not any(gradient is not None and np.any(gradient) for gradient in runs.evaluate(pair)[1]):
            dead.append(pair)
    confirmed: list[tuple[Pair, Value]] = []
    for pair in dead[:SUSPECTS_ALONE]:
        better = _better(runs, contract, pair, stated, rng)
        if better is not None:
            confirmed.append((pair, better))
    found = Found(count)
    if confirmed:
        share = len(dead) / count * len(confirmed) / len(dead[:SUSPECTS_ALONE])
        found = Found(count, share, len(dead) == count, *confirmed[0])
    if not found.counts:
        return _idle(subject, runs, contract, seen[:SUSPECTS_ALONE], stated, count)
    return _described(subject, runs, contract, found, Found(0), None)


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


def _idle(
    subject: Subject, runs: Runs, contract: Contract, pairs: Sequence[Pair], stated: Sequence[Target], count: int
) -> DeadGradient:
    """No gradient is zero where the loss could be lower; but perhaps it never could."""
    if not constant(runs, contract, pairs, stated):
        return DeadGradient(True, draws=count)
    pair = runs.part(pairs[0], [0]) if len(pairs) == 1 else pairs[0]
    same = others(runs, contract, pair, stated)
    node: Node | None = None
    live = _traced(subject, runs, contract)
    if live is not None:
        with contextlib.suppress(Exception):  # as in `_blamed`
            node = lost(live, pair, same[0])
    _, gradients = runs.evaluate(pair)
    value = runs.mean(pair)
    return DeadGradient(
        True,
        draws=count,
        share=1.0,
        everywhere=True,
        constant=True,
        pair=pair,
        others=tuple(same),
        spurious=any(gradient is not None and bool(np.any(gradient)) for gradient in gradients),
        value=value,
        better_value=value,
        calls=node.calls if node is not None else (),
    )


def _described(
    subject: Subject,
    runs: Runs,
    contract: Contract,
    found: Found,
    entries: Found,
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


def _traced(subject: Subject, runs: Runs, contract: Contract) -> frontend_tf.Live | None:
    """A trace of the loss; None where it cannot be traced: its definition is shown then."""
    import tensorflow as tf

    def call(y_true: object, y_pred: object) -> object:
        predicted = tf.nest.flatten(y_pred)[0].dtype
        true = tf.nest.map_structure(lambda one: tf.cast(one, predicted), y_true) if runs.call.cast else y_true
        return subject.call(true, y_pred)

    try:
        return frontend_tf.trace(call, contract, is_user=subject.is_user)
    except Exception:  # the loss is the user's, and may not be traceable
        return None


def _blamed(subject: Subject, runs: Runs, contract: Contract, pairs: Sequence[Pair]) -> Node | None:
    """The forward operation where the gradient dies, from a trace of the loss."""
    live = _traced(subject, runs, contract)
    if live is None:
        return None
    try:
        for pair in pairs:
            node = blame(live, pair)
            if node is not None and node.calls:
                return node
    except Exception:  # an input that the graph refuses: the definition is shown
        return None
    return None
