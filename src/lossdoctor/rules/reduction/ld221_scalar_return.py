"""LD221: the loss returns one number for the whole batch."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.axes import Broadcast
from lossdoctor.domains.coupling import relation_of_samples
from lossdoctor.graph.ir import LossGraph
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD221", name="scalar-return", family="reduction", severity="warning")


@RULE.check
def scalar_return(batches: Batches, graph: LossGraph, broadcasts: tuple[Broadcast, ...]) -> Iterator[Suspicion]:
    if graph.stage != "traced" or not batches.applicable or not batches.scalar or batches.relation == "sum":
        return
    node = graph[graph.value]
    relation = None if batches.relation in ("mean", "per-sample") else relation_of_samples(graph, broadcasts)
    if relation is not None:  # it has no value for a sample alone
        yield RULE.at(
            node,
            "is one number by design, since it compares the samples of the batch: sample_weight does not weight "
            "samples, and each replica of tf.distribute compares its own",
            evidence="proved",
            when=("keras-compile", "replicas"),
            severity="info",
        )
        return
    yield RULE.at(
        node,
        "returns one number for the batch: sample_weight does not weight samples, and two replicas of "
        "tf.distribute double the loss",
        evidence="proved",
        when=("keras-compile", "replicas"),
    )
