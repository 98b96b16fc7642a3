"""LD310: the mean or the extreme of a selection that can be empty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph import dims
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.operands import mean_of_rows, named
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.search.reproduce import ordinary
from lossdoctor.session import Pair
from lossdoctor.spec import Contract

RULE = Rule(code="LD310", name="empty-reduction", family="nonfinite-value", severity="error")

_OUTCOMES = {
    "mean": "the mean of nothing is 0/0 = nan",
    "max": "the maximum of nothing is -inf",
    "min": "the minimum of nothing is inf",
}
_EXTREMES = {"unsorted_segment_max": "maximum", "unsorted_segment_min": "minimum"}
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


@RULE.check
def extreme_of_empty_row(graph: LossGraph, contract: Contract) -> Iterator[Suspicion]:
    """TensorFlow gives the lowest number of the dtype, finite as it is, for the maximum of an empty ragged row."""
    ragged = contract.ragged
    if graph.stage != "traced" or ragged is None:
        return
    for node in graph.where(*_EXTREMES, role="forward"):
        number = "-3.4e38" if node.op.endswith("max") else "3.4e38"
        yield RULE.at(
            node,
            f"`{' '.join(node.call.split())}` takes the {_EXTREMES[node.op]} of each row, and a row can be empty: "
            f"that of nothing is {number} in float32, and so is the loss",
            evidence="witnessed",
            symptom="lowest-number",
            pair=_with_empty_row(contract),
        )
        return


def _with_empty_row(contract: Contract) -> Pair:
    """An ordinary input whose first row has nothing."""
    pair = ordinary(contract)
    rows, *masks = pair.y_true
    emptied: list[Any] = []
    for mask in masks:
        mask = np.array(mask)
        mask[0] = False
        emptied.append(mask)
    return Pair((rows, *emptied), pair.y_pred)


def _picked(graph: LossGraph, node: Node) -> bool:
    return any(graph[number].op in _PICKING for number in graph.graph.ancestors(node.id))
