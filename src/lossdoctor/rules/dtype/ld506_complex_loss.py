"""LD506: the loss is a complex number."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD506", name="complex-loss", family="dtype", severity="error")

_SQUARES = ("square", "multiply", "pow")


@RULE.check
def complex_loss(graph: LossGraph) -> Iterator[Suspicion]:
    node = graph[graph.value]
    if graph.stage != "traced" or not node.dtype.startswith("complex"):
        return
    squared = _squared(graph)
    call = "the loss" if squared is None else f"`{' '.join(squared.call.split())}`"
    why = "" if squared is None else "; the square of a complex number is no distance, |z|² is"
    yield RULE.at(
        squared or node,
        f"{call} is of dtype {node.dtype}: Keras keeps the real part only, which has no minimum at the target, and "
        f"`tape.gradient` of a sum of it raises or does the same{why}",
        evidence="proved",
        symptom="complex-loss",
    )


def _squared(graph: LossGraph) -> Node | None:
    """The last square of a complex number on the way to the loss."""
    before = graph.graph.ancestors(graph.value)
    for node in reversed(graph.nodes):
        if node.id not in before or node.role != "forward" or not node.dtype.startswith("complex"):
            continue
        if node.op in _SQUARES and (node.op != "multiply" or len(set(node.args)) == 1):
            return node
    return None
