"""What a batch means to the loss: the losses of several batch sizes against its samples one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np

from lossdoctor.probes.callings import keras_arguments
from lossdoctor.probes.calls import TRIED, Live, Subject
from lossdoctor.probes.draws import dimmed
from lossdoctor.probes.draws import pair as ordinary
from lossdoctor.probes.draws import sizes as size_table
from lossdoctor.probes.relations import Draw, Relation, decide, shown, wanted
from lossdoctor.search.evaluate import Evaluator, leaves, rebuilt
from lossdoctor.session import Array, Evaluation, Execution, Pair, Raised
from lossdoctor.spec import Contract, Spec, Structure

SIZES = (1, 2, 3, 5)
# Tried as well where some of these fail: the batch sizes that people write into a loss.
FIXED = (4, 8, 16, 32, 64)
DRAWS = 2
_SLOW = 0.05  # seconds of one evaluation, from which a trace pays for those that are left, and two runs have to do


@dataclass(frozen=True, slots=True)
class SizeResult:
    size: int
    ok: bool
    raised: Raised | None = None
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Empty:
    """What the loss makes of a batch without samples."""

    value: Array | None
    raised: Raised | None


@dataclass(frozen=True, slots=True)
class Batches:
    """The loss at several batch sizes.

    `evidence` is the smallest batch that shows `relation` where it is "sum" or "coupled", with the loss that one by
    one evaluation lets expect (`expected`) and the one received; for "sum", expected is the mean.
    """

    calling: Literal["raw", "keras-compile"]
    applicable: bool  # False: nothing in the contract has the batch axis
    sizes: tuple[SizeResult, ...]
    relation: Relation
    scalar: bool  # the loss of every size has shape ()
    axis: int | None = None  # for "per-sample", which axis of the loss is the batch; 0 but for odd losses
    deterministic: bool | None = None  # None: could not be evaluated twice
    rank_changes: bool = False  # the rank of the loss depends on the batch size
    ratios: Mapping[int, float] | None = None  # loss of the batch / mean loss of its samples, by batch size
    gradient_ratios: Mapping[int, float] | None = None  # gradient of a sample in the batch / of it alone
    evidence: Pair | None = None
    expected: Array | None = None
    received: Array | None = None
    empty: Empty | None = None  # what it does with no samples at all; None: not tried
    as_traced: bool = False  # eagerly it gave the value and the gradients of the traced graph, in a batch of one

    @property
    def works(self) -> tuple[int, ...]:
        return tuple(result.size for result in self.sizes if result.ok)

    @property
    def fails(self) -> tuple[SizeResult, ...]:
        return tuple(result for result in self.sizes if not result.ok)

    @property
    def fixed(self) -> bool:
        """Whether the loss accepts some batch sizes and refuses others."""
        return bool(self.works) and bool(self.fails)


def probe(
    subject: Subject,
    contract: Contract,
    *,
    seed: int = 0,
    hints: Sequence[int] = (),
    execution: Execution = "eager",
    live: Live | None = None,
) -> Batches:
    """Evaluate the loss at batch sizes 1, 2, 3 and 5, its samples one by one, and none.

    Args:
        live: the traced loss, if it is there. Where it computes the same as the first run, the runs that only compare
            numbers use it; each size has one run in `execution`, which may refuse what a graph accepts.
        execution: eager by default: the graph optimiser may drop the operation that refuses a batch size.
        hints: further batch sizes to try where some of those fail, for instance from the source.
    """
    if not any("B" in spec.dims for spec in specs_of(contract)):
        return Batches("raw", False, (), "unknown", False)
    calling, evaluator, other, done = _way(subject, contract, seed, execution)
    pools = [_pool(contract, seed + draw, max(SIZES), other) for draw in range(DRAWS)]
    pools[1:] = [dimmed(contract, pool, np.random.default_rng(seed)) for pool in pools[1:]]
    batches = {size: [rows(contract, pool, 0, size) for pool in pools] for size in SIZES}
    started = time.perf_counter()
    runs = {size: [done[size]] if size in done else evaluator(batches[size][:1], execution) for size in SIZES}
    seconds = (time.perf_counter() - started) / sum(size not in done for size in SIZES)
    traced = live if calling == "raw" and execution == "eager" else None
    quickest, same = _quickest(evaluator, execution, batches[1][0], runs[1][0], seconds, traced)
    runs = {size: [*runs[size], *quickest(batches[size][1:])] for size in SIZES}
    results = [_result(size, runs[size]) for size in SIZES]
    if not all(result.ok for result in results):
        for size in dict.fromkeys((*FIXED, *(hint for hint in hints if hint > 0 and hint not in SIZES))):
            results.append(_result(size, evaluator([_pool(contract, seed, size, other)], execution)))
        working = next((result.size for result in results if result.ok), None)
        repeated = None
        if working is not None:
            pool = _pool(contract, seed, working, other)
            repeated = _repeatable(evaluator, execution, pool, evaluator([pool], execution)[0])
        return _undecided(calling, results, repeated)
    times = 1 if seconds >= _SLOW else 2
    deterministic = _repeatable(evaluator, execution, batches[max(SIZES)][0], runs[max(SIZES)][0], times)
    if not deterministic:
        return _undecided(calling, results, False)
    alone = [quickest([rows(contract, pool, row, row + 1) for row in range(max(SIZES))]) for pool in pools]
    (nothing,) = evaluator([rows(contract, pools[0], 0, 0)], execution)
    found = _compare(contract, calling, results, batches, runs, alone)
    return replace(found, empty=Empty(nothing.value, nothing.raised), as_traced=traced is not None and same)


def _quickest(
    evaluator: Evaluator, execution: Execution, pair: Pair, known: Evaluation, seconds: float, live: Live | None
) -> tuple[Callable[[Sequence[Pair]], list[Evaluation]], bool]:
    """How to run many samples: in the graph that is there, or a new one for a slow loss, where that gives the same;
    and whether it does."""

    def in_graph(pairs: Sequence[Pair]) -> list[Evaluation]:
        return evaluator(pairs, "unoptimised") if live is None else live.run(pairs, "unoptimised")

    def as_told(pairs: Sequence[Pair]) -> list[Evaluation]:
        return evaluator(pairs, execution)

    if execution != "eager" or (live is None and seconds < _SLOW):
        return as_told, False
    traced = in_graph([pair])[0]
    same = len(traced.gradients) == len(known.gradients) and all(
        _alike(*both) for both in zip((traced.value, *traced.gradients), (known.value, *known.gradients), strict=True)
    )
    return (in_graph, True) if same and known.value is not None else (as_told, False)


def _alike(one: Array | None, other: Array | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-5, equal_nan=True)


def _undecided(
    calling: Literal["raw", "keras-compile"], results: list[SizeResult], deterministic: bool | None
) -> Batches:
    return Batches(
        calling=calling,
        applicable=True,
        sizes=tuple(results),
        relation="unknown",
        scalar=_scalar(results),
        deterministic=deterministic,
        rank_changes=_rank_changes(results),
    )


def _compare(
    contract: Contract,
    calling: Literal["raw", "keras-compile"],
    results: list[SizeResult],
    batches: Mapping[int, list[Pair]],
    runs: Mapping[int, list[Evaluation]],
    alone: list[list[Evaluation]],
) -> Batches:
    usable = [
        draw
        for draw in range(len(alone))
        if all(one.finite_value for one in (*alone[draw], *(runs[size][draw] for size in SIZES)))
    ]
    draws = [
        Draw({size: _numbers(runs[size][draw]) for size in SIZES}, [_numbers(one) for one in alone[draw]])
        for draw in usable
    ]
    tolerance = _tolerance(contract, runs)
    relation, axis = decide(draws, tolerance)
    place = shown(relation, draws, tolerance, axis) if relation in ("sum", "coupled") else None
    return Batches(
        calling=calling,
        applicable=True,
        sizes=tuple(results),
        relation=relation,
        scalar=_scalar(results),
        axis=axis if relation == "per-sample" else None,
        deterministic=True,
        rank_changes=_rank_changes(results),
        ratios=_ratios(draws),
        gradient_ratios=_gradient_ratios(contract, usable, runs, alone),
        evidence=None if place is None else batches[place[1]][usable[place[0]]],
        expected=None if place is None else wanted(draws[place[0]], place[1], axis),
        received=None if place is None else draws[place[0]].batches[place[1]],
    )


def _ratios(draws: list[Draw]) -> dict[int, float] | None:
    """Mean over the draws of (total loss of the batch) / (mean total loss of its samples)."""
    table: dict[int, float] = {}
    for size in SIZES:
        found: list[float] = []
        for draw in draws:
            reference = float(np.mean([one.sum() for one in draw.alone[:size]]))
            if reference != 0.0:
                found.append(float(draw.batches[size].sum()) / reference)
        if found:
            table[size] = float(np.mean(found))
    return table or None


def _gradient_ratios(
    contract: Contract, usable: list[int], runs: Mapping[int, list[Evaluation]], alone: list[list[Evaluation]]
) -> dict[int, float] | None:
    """Norm of the first sample's gradient in the batch / alone, mean over the draws."""
    specs: list[Spec] = leaves(contract.y_pred)
    table: dict[int, float] = {}
    for size in SIZES:
        found: list[float] = []
        for draw in usable:
            inside, outside = runs[size][draw].gradients, alone[draw][0].gradients
            pairs = [
                (_slice(spec, together, 0, 1), single)
                for spec, together, single in zip(specs, inside, outside, strict=True)
                if together is not None and single is not None
            ]
            below = sum(float(np.sum(np.square(single, dtype=np.float64))) for _, single in pairs)
            above = sum(float(np.sum(np.square(row, dtype=np.float64))) for row, _ in pairs)
            if below > 0.0 and np.isfinite(below) and np.isfinite(above):
                found.append(float(np.sqrt(above / below)))
        if found:
            table[size] = float(np.mean(found))
    return table or None


def _way(
    subject: Subject, contract: Contract, seed: int, execution: Execution
) -> tuple[Literal["raw", "keras-compile"], Evaluator, int, dict[int, Evaluation]]:
    """The calling that works at some batch size, the size of the dimensions that are not the batch, and what the first
    samples of the pool of these sizes gave on the way."""
    raw = Evaluator(subject.call, subject.is_user, contract)
    ways: list[tuple[Literal["raw", "keras-compile"], Callable[[], Evaluator]]] = [("raw", lambda: raw)]
    if isinstance(contract.y_true, Spec) and isinstance(contract.y_pred, Spec):
        # Made where the raw call fails only: it takes a model.
        keras = cache(lambda: Evaluator(keras_arguments(subject), subject.is_user, contract))
        ways.append(("keras-compile", keras))
    named = any(isinstance(dim, str) and dim != "B" for spec in specs_of(contract) for dim in spec.dims)
    for sizes in ((2, 3), FIXED):
        for calling, evaluator in ways:
            for _, other in TRIED if named else TRIED[:1]:
                done: dict[int, Evaluation] = {}
                for size in sizes:
                    pool = _pool(contract, seed, max(SIZES) if size in SIZES else size, other)
                    (found,) = evaluator()([rows(contract, pool, 0, size)], execution)
                    if size in SIZES:
                        done[size] = found
                    if found.raised is None:
                        return calling, evaluator(), other, done
    return "raw", raw, TRIED[0][1], {}


def _repeatable(evaluator: Evaluator, execution: Execution, pair: Pair, first: Evaluation, times: int = 2) -> bool:
    """Whether so many further runs at a pair give what the first gave."""
    others = evaluator([pair] * times, execution)
    return all(
        other.value is not None and first.value is not None and np.array_equal(first.value, other.value, equal_nan=True)
        for other in others
    )


def _result(size: int, runs: Sequence[Evaluation]) -> SizeResult:
    for run in runs:
        if run.raised is not None:
            return SizeResult(size, False, run.raised)
    value = runs[0].value
    return SizeResult(size, True, None, None if value is None else value.shape)


def _scalar(results: Sequence[SizeResult]) -> bool:
    shapes = [result.shape for result in results if result.ok]
    return bool(shapes) and all(shape == () for shape in shapes)


def _rank_changes(results: Sequence[SizeResult]) -> bool:
    return len({len(result.shape) for result in results if result.shape is not None}) > 1


def _tolerance(contract: Contract, runs: Mapping[int, list[Evaluation]]) -> float:
    """Relative to the largest loss of a sample; rounding of sums over a few samples is far below it."""
    half = any(spec.dtype in ("float16", "bfloat16") for spec in specs_of(contract))
    values = [run.value for group in runs.values() for run in group if run.value is not None]
    return 2e-2 if half or any(value.dtype.itemsize == 2 for value in values) else 1e-4


def _numbers(evaluation: Evaluation) -> Array:
    return np.asarray(evaluation.value).astype(np.float64)


def _pool(contract: Contract, seed: int, batch: int, other: int) -> Pair:
    return ordinary(contract, np.random.default_rng(seed), size_table(contract, batch, other))


def rows(contract: Contract, pool: Pair, start: int, stop: int) -> Pair:
    """Samples `start` to `stop` of a pair: along every axis named "B"."""
    return Pair(_part(contract.y_true, pool.y_true, start, stop), _part(contract.y_pred, pool.y_pred, start, stop))


def _part(structure: Structure, value: Any, start: int, stop: int) -> Any:
    specs: list[Spec] = leaves(structure)
    return rebuilt(value, [_slice(s, a, start, stop) for s, a in zip(specs, leaves(value), strict=True)])


def _slice(spec: Spec, array: Array, start: int, stop: int) -> Array:
    return array[tuple(slice(start, stop) if dim == "B" else slice(None) for dim in spec.dims)]


def specs_of(contract: Contract) -> list[Spec]:
    return [*leaves(contract.y_true), *leaves(contract.y_pred)]
