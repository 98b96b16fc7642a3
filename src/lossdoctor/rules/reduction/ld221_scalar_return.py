"""LD221: the loss returns one number for the whole batch."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.axes import Broadcast
from lossdoctor.domains.coupling import relation_of_samples
from lossdoctor.graph.ir import LossGraph
from lossdoctor.probes.batches import Batches
from lossdoctor.readings import Replicas
from lossdoctor.rules.reduction.consequences import distributed, shown, unweighted
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Loaded

RULE = Rule(code="LD221", name="scalar-return", family="reduction", severity="warning")


@RULE.check
def scalar_return(
    batches: Batches, graph: LossGraph, broadcasts: tuple[Broadcast, ...], replicas: Replicas, loaded: Loaded
) -> Iterator[Suspicion]:
    if graph.stage != "traced" or not batches.applicable or not batches.scalar or batches.relation == "sum":
        return
    node = graph[graph.value]
    spread, when = distributed(replicas)
    relation = None if batches.relation in ("mean", "per-sample") else relation_of_samples(graph, broadcasts)
    if relation is not None:  # it has no value for a sample alone
        spread = ", and each replica of tf.distribute compares its own" if "replicas" in when else ""
        yield RULE.at(
            node,
            "is one number by design, since it compares the samples of the batch: sample_weight does not weight "
            f"samples{spread}",
            evidence="proved",
            when=when,
            severity="info",
            symptom="weight-ignored",
            replay="welcome",
        )
        return
    if loaded.span.function == "compute_loss":  # which `fit` asks for one number, and hands the weights
        yield RULE.at(
            node,
            f"is one number, as `fit` expects of `compute_loss`, in which sample_weight has no part{spread}",
            evidence="proved",
            when=when,
            severity="info",
        )
        return
    yield RULE.at(
        node,
        f"returns one number for the batch: {unweighted(replicas)}{spread}",
        evidence="proved",
        when=when,
        **shown(replicas),
    )
