"""LD202: one target value is compared with several outputs."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.axes import Broadcast
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD202", name="one-target-many-outputs", family="broadcast", severity="info")


@RULE.check
def one_target_many_outputs(graph: LossGraph, broadcasts: tuple[Broadcast, ...]) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    for found in broadcasts:
        if found.stretch:
            node = graph[found.node]
            yield RULE.at(
                node,
                f"`{node.call}` compares one target with {found.shape[-1]} outputs: {found.why}",
                evidence="proved",
            )
