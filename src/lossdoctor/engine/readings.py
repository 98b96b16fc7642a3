"""The readings that rules ask for, each computed once and only when a rule wants it.

A rule names what it needs by the types of its parameters. Readings of a graph exist for each stage (before and
after the graph optimiser); readings of the running loss exist once.
"""

from __future__ import annotations

import contextlib
import inspect
import time
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lossdoctor import readings as probed
from lossdoctor.domains.axes import Broadcast, broadcasts
from lossdoctor.domains.compiled import UnderXla, under_xla
from lossdoctor.domains.dependence import Dependence, dependence
from lossdoctor.domains.exact_error import Precision
from lossdoctor.domains.interpret import Reading
from lossdoctor.domains.intervals import Proof, Ranges, ranges
from lossdoctor.domains.terms import Term, terms
from lossdoctor.engine.precision import precision
from lossdoctor.engine.precision_points import BATCH
from lossdoctor.findings import UsageError
from lossdoctor.formula.compare import compare
from lossdoctor.formula.expression import Formula
from lossdoctor.formula.reading import FormulaCheck, ReferenceCheck, SlopeCheck
from lossdoctor.graph.ir import LossGraph, Stage
from lossdoctor.probes.batches import Batches
from lossdoctor.probes.callings import Callings
from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.readings.step import StepRun
from lossdoctor.rules.registry import Check
from lossdoctor.search.leaves import pair_arrays, pair_specs
from lossdoctor.session import Loaded, Pair, Session, SessionError, Settings, Traced
from lossdoctor.source.guards import Guards, guards
from lossdoctor.source.module import SourceModule, read_module
from lossdoctor.spec import Contract, Spec, leaves
from lossdoctor.standards.reading import Misnamed


class Unavailable(Exception):
    """A reading that could not be made; the rules that need it do not run, and a gap says so."""


@dataclass
class Readings:
    """Everything known of one loss under one contract."""

    session: Session
    loaded: Loaded
    contract: Contract
    traced: Traced
    settings: Settings
    formula: Formula | None = None
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    # How readings are made that need the inputs of the search, which needs readings itself.
    offered: dict[Any, Callable[[], Any]] = field(default_factory=dict[Any, Callable[[], Any]])
    # Readings that were asked for already, and wait for nothing but their answer.
    _begun: dict[Any, Callable[[], Any]] = field(default_factory=dict[Any, Callable[[], Any]])
    _cache: dict[tuple[Any, Stage | None], Any] = field(default_factory=dict[tuple[Any, "Stage | None"], Any])

    def get(self, kind: Any, stage: Stage) -> Any:
        """The reading of type `kind`; raises `Unavailable`."""
        key = (kind, stage if kind in _OF_GRAPH else None)
        if key not in self._cache:
            started = time.perf_counter()
            try:
                self._cache[key] = self._make(kind, stage)
            except Unavailable as problem:
                self._cache[key] = problem
            except SessionError as problem:
                if problem.died is not None:
                    raise  # the engine says how the process ended
                self._cache[key] = Unavailable(str(problem))
                self.failed[_label(kind)] = str(problem)
            except Exception as problem:  # a reading that fails must not take the others with it
                self._cache[key] = Unavailable(str(problem))
                self.failed[_label(kind)] = f"{type(problem).__name__}: {problem}; this is a bug in lossdoctor"
            name = _label(kind)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
        value = self._cache[key]
        if isinstance(value, Unavailable):
            raise value
        return value

    def available(self, kind: Any, stage: Stage = "traced") -> Any | None:
        """The reading, or None where it could not be made."""
        try:
            return self.get(kind, stage)
        except Unavailable:
            return None

    def begin(self, kinds: Sequence[Any]) -> None:
        """Ask the session for readings that will be wanted, in this order, and go on meanwhile."""
        for kind in kinds:
            if (kind, None) not in self._cache and kind not in self._begun:
                with contextlib.suppress(Unavailable):  # what it needs itself
                    method, *arguments, keywords = self._request(kind)
                    self._begun[kind] = self.session.begin(method, *arguments, **keywords)

    def _request(self, kind: Any) -> tuple[Any, ...]:
        """The request that a reading takes: method, arguments, keywords."""
        if kind is Batches:
            return "probe", "batches", self.contract, {"hints": _static_sizes(self.contract)}
        if kind is probed.EagerRun:
            callings: Callings = self.get(Callings, "traced")
            graph = callings.get("raw", "graph")
            if graph is None or graph.raised is None:
                raise Unavailable("the loss can be traced, which tells more")
            return "evaluate", [callings.pair], "eager", {}
        # What the batches have shown is not tried again.
        shown = self.available(Batches) if kind in _AFTER_BATCHES else None
        known = {name: getattr(shown, field) for name, field in _AFTER_BATCHES[kind].items()} if shown else {}
        return "probe", _PROBES[kind], self.contract, known

    def _asked(self, kind: Any) -> Any:
        """What the session answers."""
        if kind not in self._begun:
            method, *arguments, keywords = self._request(kind)
            return self.session.begin(method, *arguments, **keywords)()
        return self._begun.pop(kind)()

    def graph(self, stage: Stage) -> LossGraph:
        graph = self.traced.traced if stage == "traced" else self.traced.optimised
        if graph is None:
            raise Unavailable(f"there is no {stage} graph")
        return graph

    def stages(self) -> tuple[Stage, ...]:
        """The stages whose graphs exist."""
        if self.traced.traced is None:
            return ()
        return ("traced",) if self.traced.optimised is None else ("traced", "optimised")

    def _make(self, kind: Any, stage: Stage) -> Any:
        if kind in _OF_GRAPH:
            return _OF_GRAPH[kind](self, self.graph(stage))
        if kind in self.offered:
            made = self.offered[kind]()
            if made is None:
                raise Unavailable("it does not apply")
            return made
        if kind in _ASKED:
            return self._asked(kind)
        if kind is probed.EagerRun:
            return probed.EagerRun(self.get(Callings, "traced").pair, self._asked(kind)[0])
        if kind is FormulaCheck:
            return self._compare_with_formula()
        if kind is probed.Replicas:
            return self._replicas()
        if kind is probed.SwappedRun:
            return self._swapped()
        if kind is Guards:
            traced = self.traced.traced
            calls = () if traced is None else (frame for node in traced.nodes for frame in node.calls)
            return guards(self.get(SourceModule, stage), {frame.line for frame in calls})
        if kind is SourceModule:
            return self._module()
        if kind in _DECLARED or kind in _OF_PROGRAMS:
            raise Unavailable("nothing of the kind is declared")
        return {Loaded: self.loaded, Contract: self.contract, Traced: self.traced}[kind]

    def _module(self) -> SourceModule:
        try:
            return read_module(self.loaded.path)
        except UsageError as problem:  # a notebook's cell, or no text at all
            raise Unavailable(str(problem)) from None

    def _swapped(self) -> probed.SwappedRun:
        """Only where the two arguments have the same shape and dtype."""
        one, other = self.contract.y_true, self.contract.y_pred
        if (
            not isinstance(one, Spec)
            or not isinstance(other, Spec)
            or (one.dims, one.dtype) != (other.dims, other.dtype)
        ):
            raise Unavailable("the two arguments differ in shape or dtype")
        pair = self.get(Callings, "traced").pair
        first, second = self.session.evaluate([pair, Pair(pair.y_pred, pair.y_true)], "eager")
        return probed.SwappedRun(first, second)

    def _replicas(self) -> probed.Replicas:
        """Only where the loss of a sample in a batch is not that of the sample alone."""
        batches: Batches = self.get(Batches, "traced")
        if not batches.applicable or (not batches.scalar and batches.relation in ("per-sample", "flattened")):
            raise Unavailable("each sample has a loss of its own")
        if batches.fails or not batches.deterministic:
            return probed.Replicas(reason="its batches cannot be halved and compared")
        try:
            return self.session.probe("replicas", self.contract)
        except SessionError as problem:
            if problem.died is not None:
                raise
            return probed.Replicas(reason=str(problem))

    def _compare_with_formula(self) -> FormulaCheck:
        if self.formula is None:
            raise Unavailable("no formula is declared")
        graph = self.graph("traced")
        batches = self.available(Batches)
        return compare(
            self.session,
            self.formula,
            self.contract,
            graph,
            self.available(Ranges),
            self.settings,
            sizes_of(self.get(Callings, "traced").pair, self.contract),
            tuple(batches.works) if batches is not None else (),
        )


_OF_GRAPH: dict[Any, Callable[[Readings, LossGraph], Any]] = {
    LossGraph: lambda readings, graph: graph,
    Ranges: lambda readings, graph: ranges(graph, readings.contract, readings.settings.magnitude),
    Proof: lambda readings, graph: readings.get(Ranges, graph.stage).proof(),
    UnderXla: lambda readings, graph: under_xla(
        graph, readings.contract, readings.settings.magnitude, readings.get(Proof, graph.stage)
    ),
    Reading[Dependence]: lambda readings, graph: dependence(graph),
    tuple[Term, ...]: lambda readings, graph: terms(graph),
    tuple[Broadcast, ...]: lambda readings, graph: broadcasts(graph),
    Precision: lambda readings, graph: precision(
        graph, readings.contract, readings.session, readings.settings.seed, _batch(readings)
    ),
}
_PROBES: dict[Any, str] = {
    Callings: "callings",
    probed.DeadGradient: "dead",
    probed.Direction: "direction",
    probed.GradientCheck: "gradient",
    probed.SaveLoad: "save_load",
    probed.Frozen: "frozen",
    probed.SideEffects: "side_effects",
}
# The arguments of a probe that are known from `Batches`, by the name they have there.
_AFTER_BATCHES: dict[Any, dict[str, str]] = {
    probed.DeadGradient: {"relation": "relation", "repeats": "deterministic", "as_traced": "as_traced"},
    probed.Direction: {"as_traced": "as_traced"},
    probed.SaveLoad: {"repeats": "deterministic"},
}
# What the session answers is the reading itself.
_ASKED: tuple[Any, ...] = (Batches, *_PROBES)
# Made only where somebody says what the loss is meant to be; see `engine.meanings`.
_DECLARED: tuple[Any, ...] = (ReferenceCheck, SlopeCheck, Misnamed)
# Of a model, a batch or a training step, which `engine.diagnose` has and a loss alone has not.
_OF_PROGRAMS: tuple[Any, ...] = (Batch, ModelRun, StepRun)
_PLAIN: tuple[Any, ...] = (Loaded, Contract, Traced, Batches, FormulaCheck, probed.EagerRun, probed.DeadGradient,
                           probed.SwappedRun, probed.Replicas, probed.Executions, probed.HalfRounding,
                           probed.NeedlessDouble, Guards, SourceModule, *_DECLARED, *_OF_PROGRAMS)  # fmt: skip


def sizes_of(pair: Pair, contract: Contract) -> dict[str, int]:
    """The size that each name of a dimension has at an input."""
    return {
        dim: size
        for spec, array in zip(pair_specs(contract), pair_arrays(contract, pair), strict=True)
        for dim, size in zip(spec.dims, array.shape, strict=True)
        if isinstance(dim, str)
    }


def _batch(readings: Readings) -> int:
    """Three samples, or the smallest batch that the loss accepts."""
    batches = readings.available(Batches)
    works = () if batches is None else batches.works
    return BATCH if BATCH in works or not works else min(works)


def _static_sizes(contract: Contract) -> tuple[int, ...]:
    """Sizes that a batch may coincide with: the numbers among the dimensions of the specs."""
    specs = [spec for structure in (contract.y_true, contract.y_pred) for _, spec in leaves(structure)]
    sizes = {dim for spec in specs for dim in spec.dims if isinstance(dim, int) and 1 < dim <= 256}
    return tuple(sorted(sizes))


def _label(kind: Any) -> str:
    """A short name of a reading, for timings and gaps."""
    parts = typing.get_args(kind)
    return (parts[0] if parts else kind).__name__.lower()


@cache
def needs(check: Check) -> Mapping[str, Any]:
    """The readings that a check asks for, by parameter name."""
    hints = typing.get_type_hints(check)
    wanted = {name: hints[name] for name in inspect.signature(check).parameters}
    for name, kind in wanted.items():
        if kind not in _OF_GRAPH and kind not in _PROBES and kind not in _PLAIN:
            raise TypeError(f"{check.__module__}.{check.__name__}: nothing provides `{name}: {kind}`")
    return wanted


def of_graph(check: Check) -> bool:
    """Whether a check reads a graph, so that it runs once a stage."""
    return any(kind in _OF_GRAPH for kind in needs(check).values())
