"""The loss as XLA compiles it, beside the eager run and the graph: refused, guards dropped, other values.

Compiling takes a tenth of a second and more, once for each shape of the inputs. So only the inputs of one shape are
run, the one that most of them have.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from lossdoctor.engine.unsettled import arbitrary_signs, unsettled
from lossdoctor.engine.witnesses import Witnesses, shows
from lossdoctor.graph.ir import LossGraph
from lossdoctor.probes.batches import Batches
from lossdoctor.readings import Difference, Dropped, Executions
from lossdoctor.rules.low_precision.mechanisms import half_dtype
from lossdoctor.search.leaves import make_pair, pair_arrays
from lossdoctor.session import Array, Evaluation, Execution, Guard, Pair, Session, SessionError, Traced
from lossdoctor.spec import Contract

_NODES_AT_MOST = 500  # of the traced graph; XLA takes some milliseconds for each
_RUN_AT_MOST = 64  # inputs that are run under XLA
_EAGER = 6  # of these, that are run eagerly as well
_SECONDS = 0.2  # of eager runs, after which fewer have to do
# Rounding and another order of summation stay far below; two answers that differ by this much are two answers.
_DIFFERENT = 1e-2
# Half precision is rounded after each operation of a graph, and kept in float32 between those that XLA fuses: that
# difference is one between half precision and float32, and told as such (engine.half).
_DIFFERENT_HALF = 0.1
_OUTSIDE = (np.nan, -1.0, 2.0, -1e4, 1e4)  # values that an assertion of a loss is likely to be about


def executions(session: Session, contract: Contract, traced: Traced, witnesses: Witnesses) -> Executions:
    """Compile the loss and run it at the inputs of the search.

    Raises:
        SessionError: the worker died.
    """
    graph = traced.traced
    if graph is None:
        return Executions(limit="it cannot be traced")
    if _too_large(graph):
        return Executions(limit=f"{len(graph.nodes)} operations are too many to compile here")
    chosen = _of_one_shape(contract, witnesses)
    if not chosen:
        return Executions(limit="the loss accepts none of the inputs")
    first = session.evaluate([witnesses.pairs[chosen[0]]], "xla")[0]
    pairs = [witnesses.pairs[i] for i in chosen]
    if first.raised is not None:
        return Executions(pairs=tuple(pairs[:1]), refused=first.raised)
    found = [first, *session.evaluate(pairs[1:], "xla")]
    plain, optimised = witnesses.results["traced"], witnesses.results.get("optimised", [])
    inputs = [(i, result) for i, result in zip(chosen, found, strict=True) if result.raised is None]
    finite = [i for i, result in inputs if result.finite_value and result.finite_gradient]
    partial = Executions(
        pairs=tuple(witnesses.pairs[i] for i, _ in inputs),
        finite_value=all(result.finite_value for _, result in inputs),
        finite_gradient=all(result.finite_gradient for _, result in inputs),
        dropped=tuple(_dropped(session, contract, traced.guards, witnesses.pairs[(finite or chosen)[0]])),
    )
    graphs = optimised or plain
    if arbitrary_signs(graph):
        return partial
    return replace(partial, differences=tuple(_differences(session, contract, witnesses, inputs, plain, graphs)))


def to_compile(contract: Contract, traced: Traced, witnesses: Witnesses) -> Pair | None:
    """The input that `executions` will evaluate first under XLA; None where it will evaluate none."""
    if traced.traced is None or _too_large(traced.traced):
        return None
    return next((witnesses.pairs[i] for i in _of_one_shape(contract, witnesses)), None)


def _too_large(graph: LossGraph) -> bool:
    return len(graph.nodes) > _NODES_AT_MOST


def _of_one_shape(contract: Contract, witnesses: Witnesses) -> list[int]:
    """The inputs, by number, of the shape that is most frequent among those that the graph accepts; ordinary ones,
    which come last, first."""
    plain = witnesses.results.get("traced", [])
    groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for number, (pair, result) in enumerate(zip(witnesses.pairs, plain, strict=False)):
        if result.raised is None:
            shapes = tuple(array.shape for array in pair_arrays(contract, pair))
            groups.setdefault(shapes, []).append(number)
    if not groups:
        return []
    group = max(groups.values(), key=len)
    if len(group) > _RUN_AT_MOST:  # the plainest, and some of all the rest
        head, rest = group[: _RUN_AT_MOST // 2], group[_RUN_AT_MOST // 2 :]
        group = [*head, *rest[:: -(-len(rest) // (_RUN_AT_MOST // 2))]]
    return sorted(group, reverse=True)


def _differences(
    session: Session,
    contract: Contract,
    witnesses: Witnesses,
    inputs: Sequence[tuple[int, Evaluation]],
    plain: Sequence[Evaluation],
    graphs: Sequence[Evaluation],
) -> Iterator[Difference]:
    """At most one for each couple of executions."""
    if _random(session, witnesses, [i for i, _ in inputs]):
        return
    for symptom in ("nonfinite-value", "nonfinite-gradient"):
        for i, result in inputs:
            if shows(result, symptom) and not any(_goes_wrong(other) for other in (plain[i], graphs[i])):
                yield Difference(("graph", "xla"), witnesses.pairs[i], graphs[i], result, symptom)
                return
    ordinary = inputs[:_EAGER]
    tried = [witnesses.pairs[i] for i, _ in ordinary]
    started = time.perf_counter()
    eager = session.evaluate(tried[:1], "eager") if tried else []
    spent = time.perf_counter() - started
    eager += session.evaluate(tried[1 : max(1, int(_SECONDS / max(spent, 1e-6)))], "eager")
    ordinary = ordinary[: len(eager)]
    scale = float(np.median([_size(graphs[i]) for i, _ in ordinary] or [0.0]))
    couples: tuple[tuple[Execution, Execution], ...] = (("eager", "graph"), ("graph", "xla"))
    half = half_dtype(witnesses.readings.graph("traced")) is not None
    least = _DIFFERENT_HALF if half else _DIFFERENT
    for couple in couples[:1] if half else couples:
        for (i, compiled), directly in zip(ordinary, eager, strict=True):
            one, other = (directly, graphs[i]) if couple[0] == "eager" else (graphs[i], compiled)
            if one.raised is None and other.raised is None and _differ(one.value, other.value, scale, least):
                if unsettled(session, contract, witnesses.pairs[i], couple, _gap(one.value, other.value)):
                    continue
                # Where the two runs execute other lines, Python decides by what it is given.
                span = session.probe("branching", contract, pair=witnesses.pairs[i]) if couple[0] == "eager" else None
                yield Difference(couple, witnesses.pairs[i], one, other, span=span)
                return


def _goes_wrong(result: Evaluation) -> bool:
    return result.raised is not None or shows(result, "nonfinite-value") or shows(result, "nonfinite-gradient")


def _random(session: Session, witnesses: Witnesses, numbers: Sequence[int]) -> bool:
    """Whether two runs of the same execution with the same input differ."""
    pairs = [witnesses.pairs[number] for number in numbers[:1]] * 2
    batches = witnesses.readings.available(Batches)  # which has compared eager runs
    known = batches is not None and batches.deterministic is True
    asked: tuple[Execution, ...] = ("graph",) if known else ("graph", "eager")
    for execution in asked:
        one, other = session.evaluate(pairs, execution) if pairs else (None, None)
        if one is None or other is None or one.value is None or other.value is None:
            continue
        if not np.array_equal(one.value, other.value, equal_nan=True):
            return True
    return False


def _size(result: Evaluation) -> float:
    value = np.zeros(0) if result.value is None else np.abs(result.value.astype(np.float64))
    return float(np.max(value[np.isfinite(value)], initial=0.0))


def _differ(one: Array | None, other: Array | None, scale: float, least: float) -> bool:
    """Whether two values differ by more than rounding could explain at the size of the ordinary loss."""
    if one is None or other is None:
        return False
    if one.shape != other.shape:
        return True
    left, right = one.astype(np.float64), other.astype(np.float64)
    if not np.array_equal(np.isfinite(left), np.isfinite(right)):
        return True
    known = np.isfinite(left)
    error = np.abs(np.where(known, left, 0.0) - np.where(known, right, 0.0))
    size = np.maximum(np.abs(np.where(known, left, 0.0)), np.abs(np.where(known, right, 0.0)))
    return bool(np.any(error > least * np.maximum(size, scale)))


def _gap(one: Array | None, other: Array | None) -> float:
    """The largest difference of two values; infinite where they do not even have the same shape or finiteness."""
    if one is None or other is None or one.shape != other.shape:
        return np.inf
    with np.errstate(invalid="ignore"):
        return float(np.nan_to_num(np.abs(one.astype(np.float64) - other.astype(np.float64)), nan=np.inf).max())


def _dropped(session: Session, contract: Contract, guards: Sequence[Guard], pair: Pair) -> Iterator[Dropped]:
    """An assertion that raises in the graph and lets the same input pass under XLA."""
    if not guards:
        return
    arrays = pair_arrays(contract, pair)
    for number, array in reversed(list(enumerate(arrays))):
        if array.dtype.kind != "f" or not array.size:
            continue
        for value in _OUTSIDE:
            parts = [np.full_like(part, value) if i == number else part for i, part in enumerate(arrays)]
            tried = make_pair(contract, parts)
            try:
                raised = session.evaluate([tried], "graph")[0].raised
                if raised is None or raised.type != "InvalidArgumentError":
                    continue
                compiled = session.evaluate([tried], "xla")[0]
            except SessionError as problem:
                if problem.died is not None:
                    raise
                continue
            guard = next((each for each in guards if each.calls[-1:] == raised.calls[-1:]), None)
            if guard is not None and compiled.raised is None:
                yield Dropped(guard, tried, value)
                return
