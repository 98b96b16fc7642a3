"""LD332: a loss near its minimum has no right digit, though a function exists that keeps them."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.exact_error import Precision
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.precision_loss.mends import mend
from lossdoctor.rules.precision_loss.told import facts, message
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD332", name="small-values-lost", family="precision-loss", severity="info")


@RULE.check
def small_values_lost(graph: LossGraph, precision: Precision) -> Iterator[Suspicion]:
    for found in precision.inaccuracies:
        # Without a better form the cancellation is part of the definition, as in 1 - dice.
        if found.minor and mend(graph, graph[found.node]) is not None:
            yield RULE.at(graph[found.node], message(graph, found), severity="info", **facts(graph, found))
