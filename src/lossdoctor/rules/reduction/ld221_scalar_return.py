"""LD221: the loss returns one number for the whole batch."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD221", name="scalar-return", family="reduction", severity="warning")


@RULE.check
def scalar_return(batches: Batches, graph: LossGraph) -> Iterator[Suspicion]:
    if graph.stage != "traced" or not batches.applicable or not batches.scalar or batches.relation == "sum":
        return
    node = graph[graph.value]
    yield RULE.at(
        node,
        "returns one number for the batch: sample_weight does not weight samples, and two replicas of "
        "tf.distribute double the loss",
        evidence="proved",
        when=("keras-compile", "replicas"),
    )
