"""LD222: the loss sums over the batch, so that it grows with it."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph
from lossdoctor.probes.batches import Batches
from lossdoctor.readings import Replicas
from lossdoctor.rules.reduction.consequences import unweighted
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD222", name="sum-over-batch", family="reduction", severity="warning")


@RULE.check
def sum_over_batch(batches: Batches, graph: LossGraph, replicas: Replicas) -> Iterator[Suspicion]:
    if graph.stage != "traced" or batches.relation != "sum" or batches.evidence is None:
        return
    node = graph[graph.value]
    yield RULE.at(
        node,
        f"sums over the batch: loss and gradient grow with the batch size, and {unweighted(replicas)}",
        evidence="witnessed",
        symptom="scales-with-batch",
        pair=batches.evidence,
    )
