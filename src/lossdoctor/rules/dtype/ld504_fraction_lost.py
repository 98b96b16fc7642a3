"""LD504: targets with a fraction are cast to integers."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import input_behind
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD504", name="fraction-lost", family="dtype", severity="warning")


@RULE.check
def fraction_lost(graph: LossGraph, contract: Contract) -> Iterator[Suspicion]:
    """All of y_true, of a kind between 0 and 1, is truncated. A part of it may hold class numbers."""
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.kind not in ("unit", "probability"):
        return
    for node in graph.where("astype", role="forward"):
        source = graph[node.args[0]]
        if not node.dtype.startswith(("int", "uint")) or not source.dtype.startswith(("float", "bfloat")):
            continue
        if input_behind(graph, source.id) in graph.y_true and source.shape == graph[graph.y_true[0]].shape:
            yield RULE.at(
                node,
                f"`{node.call}` casts y_true to {node.dtype}: everything below 1 becomes 0",
                evidence="proved",
                symptom="fractions-alike",
                replay="welcome",
            )
            return
