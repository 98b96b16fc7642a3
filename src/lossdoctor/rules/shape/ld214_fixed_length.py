"""LD214: a reshape with constants that fits some sizes of an axis only."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lossdoctor.graph.ir import Dim, LossGraph
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import input_behind

RULE = Rule(code="LD214", name="fixed-length", family="shape", severity="error")


@RULE.check
def fixed_length(graph: LossGraph) -> Iterator[Suspicion]:
    """The elements of an input with a named axis are dealt out to constants that its static axes do not hold."""
    if graph.stage != "traced":
        return
    for node in graph.where("reshape", role="forward"):
        source, target = graph[node.args[0]].shape, node.attrs.get("shape")
        if not source or not isinstance(target, tuple) or not all(isinstance(dim, int) for dim in target):
            continue
        names = [dim for dim in source if isinstance(dim, str) and dim not in ("B", "?")]
        wanted, held = _product(target), _product(source)
        if not names or held % wanted == 0 or target.count(-1) > 1:
            continue
        if input_behind(graph, node.args[0]) is None and not _elementwise(graph, node.args[0]):
            continue
        yield RULE.at(
            node,
            f"`{node.call}` fits only where ({', '.join(str(dim) for dim in source)}) has a multiple of {wanted} "
            f"elements: it fails for other sizes of {', '.join(names)}, or mixes samples",
            evidence="proved",
            symptom="raises",
        )


def _product(dims: tuple[object, ...]) -> int:
    return math.prod(dim for dim in dims if isinstance(dim, int) and dim > 0)


def _elementwise(graph: LossGraph, place: int) -> bool:
    """Whether the axes of a node are still those of an input."""
    shapes: set[tuple[Dim, ...] | None] = {graph[number].shape for number in (*graph.y_true, *graph.y_pred)}
    return graph[place].shape in shapes
