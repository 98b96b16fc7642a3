"""LD229: neighbours along the batch axis are compared, as if it were time."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.mixing import mixing
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import MOVES

RULE = Rule(code="LD229", name="neighbours-in-batch", family="reduction", severity="warning")

_COMPARES = ("subtract", "squared_difference")


@RULE.check
def neighbours_in_batch(graph: LossGraph, batches: Batches, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """`x[1:] - x[:-1]` of predictions with an axis of their own beside the batch."""
    if graph.stage != "traced" or batches.relation not in ("coupled", "unknown"):
        return
    for node in graph.where(*_COMPARES, role="forward"):
        sources = [_shifted(graph, arg) for arg in node.args[:2]]
        if None in sources or len(set(sources)) != 1 or not dependence[node].connected:
            continue
        source = graph[sources[0]].shape if sources[0] is not None else None
        if not source or len(source) < 2 or all(dim == 1 for dim in source[1:]):
            continue
        rest = ", ".join(str(dim) for dim in source)
        yield mixing(
            RULE,
            node,
            f"`{node.call}` compares each sample of the batch with the next one: axis 0 of ({rest}) is the batch, "
            "whose samples have nothing to do with each other; the steps of a sample are on axis 1",
            batches,
        )
        return


def _shifted(graph: LossGraph, place: int) -> int | None:
    """The tensor of which a node holds all samples but the first, or all but the last."""
    node = graph[place]
    while node.op in MOVES - {"strided_slice", "slice"} and node.args:
        node = graph[node.args[0]]
    return node.args[0] if _cut(node) and (graph[node.args[0]].shape or ())[:1] == ("B",) else None


def _cut(node: Node) -> bool:
    return node.op in ("strided_slice", "slice") and bool(node.shape) and node.shape[0] == "B-1"
