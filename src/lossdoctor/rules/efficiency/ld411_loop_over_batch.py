"""LD411: the samples of the batch are handled one by one in a loop."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.efficiency.counted import counted
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD411", name="loop-over-batch", family="efficiency", severity="warning")


@RULE.check
def loop_over_batch(graph: LossGraph) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    for node in graph.where("while", role="forward"):
        if any(_counts_batch(graph[arg]) for arg in node.args):
            yield RULE.at(
                node,
                f"`{node.call}` handles the batch one sample after another; its time grows with the batch size",
                evidence="proved",
                **counted(graph, "while"),
            )


def _counts_batch(node: Node) -> bool:
    """A bound of the loop: the number of samples."""
    value = node.attrs.get("value")
    return node.op == "dims" and (value == "B" or value == ("B",))
