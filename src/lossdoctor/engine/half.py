"""Half precision beside its float32 twin: values that are finite and wrong, and the contract in a half dtype."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossdoctor.domains.exact_double import widened_loss
from lossdoctor.domains.machine import machine
from lossdoctor.engine.witnesses import Witnesses
from lossdoctor.graph.ir import LossGraph, Span
from lossdoctor.ops.arrays import Array, is_array
from lossdoctor.readings import HalfRounding
from lossdoctor.rules.low_precision.mechanisms import HALF, half_dtype
from lossdoctor.search.leaves import make_pair, pair_arrays, pair_specs
from lossdoctor.session import Evaluation, Pair, Session, Traced
from lossdoctor.spec import Contract, Spec, discrete_values, map_structure

_INPUTS = 8  # ordinary ones
# Of the loss: float16 has three digits and bfloat16 two, and a healthy loss keeps one at least.
_WRONG = 0.1
# What half of the samples may be off by: eight roundings of bfloat16, which a loss without a fault has seldom.
_TYPICAL = 0.03
_CONDITIONING = 8.0  # times what the rounding of the inputs explains, as for float32 (engine.precision)
_TRIED_AT_MOST = 64  # operations that are tried as the cause
_UNITS = {"float16": 2.0**-11, "bfloat16": 2.0**-8}


def in_half(contract: Contract, dtype: str) -> Contract:
    """The same contract with its floats in a half precision dtype."""

    def narrowed(spec: Spec) -> Spec:
        return replace(spec, dtype=dtype) if spec.dtype in ("float32", "float64") else spec

    return replace(
        contract, y_true=map_structure(narrowed, contract.y_true), y_pred=map_structure(narrowed, contract.y_pred)
    )


def half_rounding(session: Session, contract: Contract, traced: Traced, witnesses: Witnesses) -> HalfRounding | None:
    """An ordinary input at which half precision gives a finite and wrong value; None if most of them are right.

    Looked at are realistic draws, and the same draws with classes that half precision has no number for.

    Raises:
        SessionError: the worker died.
    """
    graph = traced.traced
    dtype = None if graph is None else half_dtype(graph)
    if graph is None or dtype is None:
        return None
    ordinary = [pair for pair, _ in _ordinary(witnesses)]
    for pairs in (ordinary, list(_of_high_classes(contract, ordinary, int(1 / _UNITS[dtype])))):
        compared = _compared(session, contract, pairs, _UNITS[dtype])
        found = _worst(compared)
        if found is not None:
            worst, typical = found
            calls = _blamed(graph, contract, worst.pair)
            return HalfRounding(dtype, worst.pair, worst.got, worst.twin, calls, typical)
    return None


@dataclass(frozen=True, slots=True)
class _Compared:
    """One input, with the loss as it is, in float32, and in float32 at the inputs moved by half an ulp."""

    pair: Pair
    got: Array
    twin: Array
    near: Array

    def errors(self) -> Array:
        """The relative error of each sample; 0 where the rounding of the inputs explains it."""
        error, explained = np.abs(self.got - self.twin), np.abs(self.near - self.twin)
        explained = np.maximum(explained, np.median(explained))  # one sample may be lucky
        relative = error / np.maximum(np.abs(self.twin), np.finfo(np.float64).tiny)
        return np.where(error > _CONDITIONING * explained, relative, 0.0)


def _compared(session: Session, contract: Contract, pairs: list[Pair], unit: float) -> list[_Compared]:
    if not pairs:
        return []
    moved = [_moved(contract, pair, unit) for pair in pairs]
    results: list[Evaluation] = session.evaluate(pairs, "unoptimised")
    twins: list[Evaluation] = session.probe("half", contract, pairs=pairs)
    near: list[Evaluation] = session.probe("half", contract, pairs=moved)
    return [
        _Compared(pair, _values(got), _values(twin), _values(close))
        for pair, got, twin, close in zip(pairs, results, twins, near, strict=True)
        if _comparable(got, twin) and _comparable(twin, close)
    ]


def _worst(compared: list[_Compared]) -> tuple[_Compared, float] | None:
    """The input that is most wrong and the median error, if most samples of the ordinary size or more are wrong by a
    tenth, or by more than a few roundings and some by a tenth."""
    sizes = np.concatenate([np.abs(each.twin).reshape(-1) for each in compared] or [np.zeros(1)])
    ordinary = float(np.median(sizes)) / 4
    if not ordinary:
        return None
    large = [np.abs(each.twin).reshape(-1) >= ordinary for each in compared]
    errors = [each.errors().reshape(-1)[of] for each, of in zip(compared, large, strict=True)]
    samples = np.concatenate(errors)
    if np.median(samples) > _WRONG or (np.median(samples) > _TYPICAL and samples.max() > _WRONG):
        worst = max(range(len(compared)), key=lambda number: errors[number].max(initial=0.0))
        return compared[worst], float(np.median(samples))
    return None


def _of_high_classes(contract: Contract, pairs: list[Pair], limit: int) -> Iterator[Pair]:
    """The pairs with every label an odd number above `limit`, which half precision rounds to an even one."""
    of = pair_specs(contract)
    rng = np.random.default_rng(0)
    if not any(spec.kind == "label" and spec.dtype not in HALF and (spec.classes or 0) > limit + 1 for spec in of):
        return
    for pair in pairs:
        parts: list[Array] = []
        for spec, array in zip(of, pair_arrays(contract, pair), strict=True):
            classes = spec.classes or 0
            if spec.kind == "label" and spec.dtype not in HALF and classes > limit + 1:
                array = rng.choice(np.arange(limit + 1, classes, 2), array.shape).astype(array.dtype)
            parts.append(array)
        yield make_pair(contract, parts)


def _ordinary(witnesses: Witnesses) -> Iterator[tuple[Pair, Evaluation]]:
    """The last inputs of the search, which are realistic draws, where the loss is finite."""
    results: Sequence[Evaluation] = witnesses.results.get("traced", [])
    finite = [
        (pair, result)
        for pair, result in zip(witnesses.pairs, results, strict=False)
        if result.raised is None and result.finite_value
    ]
    yield from finite[-_INPUTS:]


def _comparable(one: Evaluation, other: Evaluation) -> bool:
    if one.value is None or other.value is None or other.raised is not None:
        return False
    return one.value.shape == other.value.shape and one.finite_value and other.finite_value


def _values(result: Evaluation) -> Array:
    assert result.value is not None
    return result.value.astype(np.float64)


def _moved(contract: Contract, pair: Pair, unit: float) -> Pair:
    """The pair with its continuous inputs changed by half an ulp, which every rounded input may be off."""
    rng = np.random.default_rng(0)
    parts: list[Array] = []
    for spec, array in zip(pair_specs(contract), pair_arrays(contract, pair), strict=True):
        if spec.dtype not in HALF or discrete_values(spec) is not None:
            parts.append(array)
        else:
            parts.append(
                (array.astype(np.float32) * (1 + unit * rng.choice([-1.0, 1.0], array.shape))).astype(np.float32)
            )
    return make_pair(contract, parts)


def _blamed(graph: LossGraph, contract: Contract, pair: Pair) -> tuple[Span, ...]:
    """The user's frames of the first operation whose result, put into the widened graph, makes half of the error."""
    inputs = dict(zip((*graph.y_true, *graph.y_pred), pair_arrays(contract, pair), strict=True))
    single = machine(graph, inputs)
    graph_of_wide = widened_loss(graph)
    wide = {place: _wide(array) for place, array in inputs.items()}
    double = machine(graph_of_wide, wide)
    total = _apart(single[graph.value], double[graph.value])
    tried = 0
    for node in graph.nodes:
        if node.role != "forward" or node.op in ("input", "constant") or _apart(single[node.id], double[node.id]) == 0:
            continue
        tried += 1
        if tried > _TRIED_AT_MOST:
            break
        spoiled = machine(graph_of_wide, {**wide, node.id: _wide(single[node.id])})[graph.value]
        if _apart(spoiled, double[graph.value]) >= total / 2 and graph.calls(node):
            return graph.calls(node)
    return graph.calls(graph[graph.value])


def _wide(array: Array) -> Array:
    return array.astype(np.float64) if str(array.dtype) in (*HALF, "float32") else array


def _apart(one: Any, other: Any) -> float:
    """The largest difference of two values; 0 where they cannot be compared."""
    if not is_array(one) or not is_array(other) or one.shape != other.shape or one.dtype == bool:
        return 0.0
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max(initial=0.0))
