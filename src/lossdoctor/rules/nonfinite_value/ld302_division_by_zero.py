"""LD302: a denominator reaches zero."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD302", name="division-by-zero", family="nonfinite-value", severity="error")


@RULE.check
def division_by_zero(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.where("divide", "reciprocal", "rsqrt", "floor_divide", "remainder", role="forward"):
        denominator = graph[node.args[-1]]
        interval = ranges[denominator]
        if interval.low <= 0.0 <= interval.high:
            yield RULE.at(
                node,
                f"`{node.call}` divides by {_named(denominator.call, denominator.op)}, which can be 0",
                stage=graph.stage,
                symptom="nonfinite-value",
            )


def _named(call: str, op: str) -> str:
    return f"`{call}`" if call != op else f"a {op}"
