"""LD310: the mean or the extreme of a selection that can be empty."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph import dims
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.operands import mean_of_rows, named
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD310", name="empty-reduction", family="nonfinite-value", severity="error")

_OUTCOMES = {
    "mean": "the mean of nothing is 0/0 = nan",
    "max": "the maximum of nothing is -inf",
    "min": "the minimum of nothing is inf",
}
# Elements are picked by what the values are, so that there may be none.
_PICKING = frozenset({"nonzero", "unique", "boolean_mask", "dynamic_partition"})


@RULE.check
def empty_reduction(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.where(*_OUTCOMES, role="forward"):
        source = graph[node.args[0]]
        unknown = source.shape is None or dims.UNKNOWN in source.shape
        if unknown and not ranges.finite(node) and _picked(graph, source):
            yield RULE.at(
                node,
                f"`{node.call}` reduces {named(graph, source.id, node)}, a selection that can be empty: "
                f"{_OUTCOMES[node.op]}",
                stage=graph.stage,
                symptom="nonfinite-value",
            )


@RULE.check
def empty_row(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.where("divide", role="forward"):
        count = ranges[node.args[-1]]
        if count.low <= 0.0 <= count.high and mean_of_rows(graph, node):
            yield RULE.at(
                node,
                f"`{node.call}` takes the mean of each row, and a row can be empty: {_OUTCOMES['mean']}",
                stage=graph.stage,
                symptom="nonfinite-value",
            )


def _picked(graph: LossGraph, node: Node) -> bool:
    return any(graph[number].op in _PICKING for number in graph.graph.ancestors(node.id))
