"""LD215: the loss indexes samples of the batch, and the others never reach it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from lossdoctor.domains.dependence import SHAPE_ONLY
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD215", name="single-samples", family="shape", severity="error")

_SAME = frozenset({"identity", "astype", "ensure_shape", "check_numerics"})
# A loop over as many samples as the batch should have is LD211's.
MOST = 4


@RULE.check
def single_samples(graph: LossGraph, batches: Batches) -> Iterator[Suspicion]:
    if graph.stage != "traced" or batches.evidence is None or batches.relation != "coupled":
        return
    taken = _taken(graph)
    if taken is None:
        return
    rows = sorted({row for row, _ in taken})
    if not 0 < len(rows) <= MOST:
        return
    node = taken[0][1]
    which = " and ".join(str(row) for row in rows)
    yield RULE.at(
        None,
        f"`{' '.join(node.call.split())}` indexes the batch, whose axis comes first: only "
        f"sample{'s' if len(rows) > 1 else ''} {which} of y_pred reach{'' if len(rows) > 1 else 'es'} the loss, and "
        "nothing is learned from the others",
        calls=node.calls,
        evidence="witnessed",
        symptom="batch-mismatch",
        pair=batches.evidence,
        when=("eager", "graph"),
    )


def _taken(graph: LossGraph) -> list[tuple[int, Node]] | None:
    """The samples that are taken from y_pred, with the node that does; None if it is used in any other way."""
    users = graph.graph.users()
    stack = list(graph.y_pred)
    found: list[tuple[int, Node]] = []
    while stack:
        for user in users[stack.pop()]:
            node = graph[user]
            if node.role != "forward" or node.op in SHAPE_ONLY:
                continue
            if node.op in _SAME:
                stack.append(user)
                continue
            row = _row(node)
            if row is None or (graph[node.args[0]].shape or ())[:1] != ("B",):
                return None
            found.append((row, node))
    return found


def _row(node: Node) -> int | None:
    """`i` of `x[i, …]`, with a constant i."""
    if node.op != "strided_slice" or len(node.args) > 1:
        return None
    begin = node.attrs.get("begin")
    masks = [cast("int", node.attrs.get(f"{mask}_mask", 0)) for mask in ("ellipsis", "new_axis")]
    if not isinstance(begin, tuple) or not begin or any(mask & 1 for mask in masks):
        return None
    first = begin[0]
    return first if isinstance(first, int) and cast("int", node.attrs.get("shrink_axis_mask", 0)) & 1 else None
