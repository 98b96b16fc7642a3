"""LD213: `squeeze` without an axis removes the batch axis of a batch of one."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD213", name="squeezed-batch", family="shape", severity="warning")


@RULE.check
def squeezed_batch(graph: LossGraph, batches: Batches) -> Iterator[Suspicion]:
    """The loss of a batch of one runs and has another rank (where it fails, LD211 says so)."""
    if graph.stage != "traced" or not batches.rank_changes or 1 not in batches.works:
        return
    for node in graph.where("squeeze", role="forward"):
        if node.attrs.get("axis") in (None, ()) and "B" in (graph[node.args[0]].shape or ()):
            shapes = {result.size: result.shape for result in batches.sizes if result.ok}
            larger = next((shape for size, shape in shapes.items() if size > 1), None)
            yield RULE.at(
                node,
                f"`{node.call}` removes the batch axis as well where the batch has one sample: the loss then has "
                f"shape {shapes[1]}, and {larger} otherwise",
                evidence="proved",
                symptom="rank-of-one",
                replay="welcome",
                when=("batch-of-one",),
                # Where each number of the squeezed result is the loss of a sample, nothing can go wrong after it.
                severity="info" if _last(graph, node) and batches.relation == "per-sample" else None,
            )
            return


def _last(graph: LossGraph, squeeze: Node) -> bool:
    """Whether only elementwise operations come after it, so that an axis less means nothing to them."""
    before = graph.graph.ancestors(graph.value) | {graph.value}
    users = graph.graph.users()
    after, stack = set[int](), [squeeze.id]
    while stack:
        new = {user for user in users[stack.pop()] if user in before} - after
        after |= new
        stack += new
    return all(_elementwise(graph[place]) for place in after)


def _elementwise(node: Node) -> bool:
    row = TABLE.by_name.get(node.op)
    return row is not None and row.kind == "elementwise"
