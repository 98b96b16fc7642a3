"""LD505: a share is computed in integers, so that it is 0 for nearly every input."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD505", name="integer-share", family="dtype", severity="warning")

_COUNTS = frozenset({"sum", "count_nonzero", "mean"})
_SAME = frozenset({"astype", "identity", "reshape", "expand_dims", "squeeze"})
_FLOATS = ("float", "bfloat")


@RULE.check
def integer_share(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """A mean of integers, or a count divided by a count, both rounded down, then used as a float."""
    if graph.stage != "traced":
        return
    needed = graph.graph.ancestors(graph.value)
    users = graph.graph.users()
    for node in graph.where("mean", "floor_divide", role="forward"):
        if node.id not in needed or not node.dtype.startswith(("int", "uint")) or not dependence[node].on_data:
            continue
        if node.op == "floor_divide" and not all(_counted(graph, arg) for arg in node.args):
            continue
        if any(graph[user].op == "astype" and graph[user].dtype.startswith(_FLOATS) for user in users[node.id]):
            yield RULE.at(
                node,
                f"`{node.call}` is computed in {node.dtype} and rounded down: a share of less than all is 0",
                evidence="proved",
                symptom="share-rounded",
                replay="welcome",
            )
            return


def _counted(graph: LossGraph, place: int) -> bool:
    """A number of elements: a sum, or a size."""
    node: Node = graph[place]
    while node.op in _SAME and node.args:
        node = graph[node.args[0]]
    return node.op in _COUNTS or node.op in ("dims", "size", "shape")
