"""LD302: a denominator reaches zero."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.nonfinite_value.ld305_singular_matrix import of_matrix
from lossdoctor.rules.operands import mean_of_rows, misplaced_epsilon, named, why_zero
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD302", name="division-by-zero", family="nonfinite-value", severity="error")


@RULE.check
def division_by_zero(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.where("divide", "reciprocal", "rsqrt", "floor_divide", "remainder", role="forward"):
        place = node.args[-1]
        interval = ranges[place]
        if interval.low <= 0.0 <= interval.high and not of_matrix(graph, place) and not mean_of_rows(graph, node):
            reason = why_zero(graph, place) + misplaced_epsilon(graph, node)
            yield RULE.at(
                node,
                f"`{node.call}` divides by {named(graph, place, node)}, which can be 0{reason}",
                stage=graph.stage,
                symptom="nonfinite-value",
            )
