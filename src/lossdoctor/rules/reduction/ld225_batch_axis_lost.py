"""LD225: the loss is reduced over the batch, and another axis is left."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD225", name="batch-axis-lost", family="reduction", severity="warning")


@RULE.check
def batch_axis_lost(graph: LossGraph) -> Iterator[Suspicion]:
    node = graph[graph.value]
    shape = node.shape
    if graph.stage != "traced" or not shape or any(of_batch(dim) or dim == "?" for dim in shape):
        return
    if 1 in shape and len(shape) > 1:
        return  # kept dimensions
    lost = _lost_at(graph, node)
    if lost is None:
        return
    yield RULE.at(
        lost,
        f"`{lost.call}` reduces the batch axis: the loss has shape ({', '.join(str(dim) for dim in shape)}"
        f"{',' if len(shape) == 1 else ''}), one value for each of these and none for each sample; sample_weight of "
        "shape (B,) fails or weighs the wrong thing",
        evidence="proved",
        symptom="weight-ignored",
        arguments={"batch": 4},
        replay="welcome",
        when=("keras-compile", "keras-loss"),
    )


def _lost_at(graph: LossGraph, node: Node) -> Node | None:
    """The last reduction before the value that takes a batch axis in and gives none out."""
    before = graph.graph.ancestors(node.id)
    for place in sorted(before, reverse=True):
        found = graph[place]
        row = TABLE.by_name.get(found.op)
        if row is None or row.kind != "reduce" or found.role != "forward" or not found.args:
            continue
        source = graph[found.args[0]]
        if source.shape and any(map(of_batch, source.shape)) and not any(map(of_batch, found.shape or ("B",))):
            return found
    return None
