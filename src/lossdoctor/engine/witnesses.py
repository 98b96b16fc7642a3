"""The inputs at which a loss goes wrong: one batched search for all rules."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lossdoctor.domains.compiled import UnderXla
from lossdoctor.domains.intervals import Proof, Ranges
from lossdoctor.engine.blame import Blame, NonFinite, blames
from lossdoctor.engine.readings import Readings
from lossdoctor.graph.ir import LossGraph, Stage
from lossdoctor.probes.batches import Batches
from lossdoctor.search.candidates import candidates, doubtful
from lossdoctor.search.leaves import repeated
from lossdoctor.search.shrink import shrink
from lossdoctor.session import Evaluation, Execution, Pair

_FIRST = 8  # inputs that show whether the loss accepts the batch sizes of the candidates
_OBSERVED_AT_MOST = 48  # inputs whose every node is looked at, a stage and symptom
_PROVED_AT_MOST = 64  # inputs that are tried where value and gradient are proved finite
_WITHOUT_NEWS = 10  # stop after so many that blamed only known nodes
# How the graph of a stage runs: op for op as eager execution, or as the graph optimiser left it.
_RUNS: dict[Stage, Execution] = {"traced": "unoptimised", "optimised": "graph"}


@dataclass
class Witnesses:
    """Inputs tried, what they gave, and which nodes are to blame for the non-finite ones."""

    readings: Readings
    first: Pair | None = None  # real data
    pairs: list[Pair] = field(default_factory=list[Pair])
    results: dict[Stage, list[Evaluation]] = field(default_factory=dict[Stage, list[Evaluation]])
    found: dict[tuple[str, NonFinite], Blame] = field(default_factory=dict[tuple[str, NonFinite], Blame])

    def search(self) -> None:
        """Try the candidates under every stage and blame the non-finite results."""
        started = time.perf_counter()
        readings = self.readings
        known = readings.available(Ranges)
        rng = np.random.default_rng(readings.settings.seed)
        real = [] if self.first is None else [self.first]
        drawn = candidates(readings.contract, readings.graph("traced"), known, readings.settings, rng)
        self.pairs = self._accepted(real + self._doubtful() + drawn)
        if self._proved():  # a proof needs no search; some inputs all the same, against an error in the proof itself
            self.pairs = _spread(self.pairs, _PROVED_AT_MOST)
        for stage in readings.stages():
            self.results[stage] = readings.session.evaluate(self.pairs, _RUNS[stage])
        readings.seconds["search"] = time.perf_counter() - started
        for stage in readings.stages():
            for symptom in ("nonfinite-value", "nonfinite-gradient"):
                self._blame(stage, symptom)
        readings.seconds["blame"] = time.perf_counter() - started - readings.seconds["search"]

    def try_only(self, pairs: Sequence[Pair]) -> None:
        """Blame what these inputs show, without a search."""
        self.pairs = list(pairs)
        for stage in self.readings.stages():
            self.results[stage] = self.readings.session.evaluate(self.pairs, _RUNS[stage])
            for symptom in ("nonfinite-value", "nonfinite-gradient"):
                self._blame(stage, symptom)

    def _doubtful(self) -> list[Pair]:
        """Inputs at which what XLA makes of the loss may go wrong where the loss as written does not."""
        readings = self.readings
        doubt: UnderXla | None = readings.available(UnderXla)
        if doubt is None:
            return []
        rng = np.random.default_rng(readings.settings.seed)
        return doubtful(readings.contract, doubt.ranges, readings.settings, rng)

    def _proved(self) -> bool:
        """Whether value and gradient are known to be finite for every input, in every stage."""
        proofs = [self.readings.available(Proof, stage) for stage in self.readings.stages()]
        return all(proof is not None and proof.finite_value and proof.finite_gradient for proof in proofs)

    def _accepted(self, pairs: list[Pair]) -> list[Pair]:
        """The pairs, or, for a loss that refuses their batch size, the same samples repeated to a size that works."""
        readings = self.readings
        first = readings.session.evaluate(pairs[:_FIRST], _RUNS["traced"])
        batches = readings.available(Batches)
        if not all(result.raised for result in first) or batches is None or not batches.works:
            return pairs
        return [repeated(pair, readings.contract, min(batches.works)) for pair in pairs]

    def _blame(self, stage: Stage, symptom: NonFinite) -> None:
        graph = self.readings.graph(stage)
        quiet = 0
        bad = [pair for pair, result in zip(self.pairs, self.results[stage], strict=True) if shows(result, symptom)]
        for pair in _spread(bad, _OBSERVED_AT_MOST):
            news = False
            for blame in self.blame(graph, pair, symptom):
                if (blame.name, symptom) not in self.found:
                    self.found[blame.name, symptom] = blame
                    news = True
            quiet = 0 if news else quiet + 1
            if quiet >= _WITHOUT_NEWS:
                return

    def blame(self, graph: LossGraph, pair: Pair, symptom: NonFinite) -> list[Blame]:
        observed = self.readings.session.observe(pair, graph.stage)
        return list(blames(graph, observed, pair, symptom))

    def shrunk(self, blame: Blame) -> Blame:
        """The same fault at the smallest, plainest input that still shows it."""
        execution = _RUNS[blame.stage]

        def still_fails(pairs: list[Pair]) -> list[bool]:
            return [shows(result, blame.symptom) for result in self.readings.session.evaluate(pairs, execution)]

        pair = shrink(blame.pair, self.readings.contract, still_fails, budget=400)
        graph = self.readings.graph(blame.stage)
        for smaller in self.blame(graph, pair, blame.symptom):
            if smaller.name == blame.name:
                return smaller
        return blame

    def tried(self) -> int:
        """How many inputs the loss accepted, in the stage in which it accepted the fewest."""
        counts = [sum(result.raised is None for result in results) for results in self.results.values()]
        return min(counts, default=0)

    def all_finite(self, symptom: NonFinite) -> bool:
        """Whether the loss accepted inputs and never showed the symptom."""
        return self.tried() > 0 and not any(
            shows(result, symptom) for results in self.results.values() for result in results
        )


def shows(result: Evaluation, symptom: NonFinite) -> bool:
    """Whether an evaluation shows the symptom; a non-finite gradient counts only where the loss is finite."""
    if result.raised is not None or result.value is None:
        return False
    if symptom == "nonfinite-value":
        return not result.finite_value
    return result.finite_value and not result.finite_gradient


def search(readings: Readings, first: Pair | None = None) -> Witnesses:
    """Search with the candidates of the spec, after `first` (real data) if there is any."""
    witnesses = Witnesses(readings, first)
    if readings.stages():  # without a graph there is nothing to search
        witnesses.search()
    return witnesses


def _spread(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """The first (plainest) half of the limit, and the other half spread evenly over the rest."""
    if len(pairs) <= limit:
        return list(pairs)
    head, rest = pairs[: limit // 2], pairs[limit // 2 :]
    return [*head, *rest[:: max(1, len(rest) // (limit - limit // 2))]][:limit]
