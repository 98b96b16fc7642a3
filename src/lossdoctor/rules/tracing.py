"""Which input of the loss a node holds, unchanged but for its shape and dtype."""

from __future__ import annotations

from lossdoctor.graph.ir import LossGraph

# Move or convert elements and compute nothing.
MOVES = frozenset(
    {"identity", "reshape", "squeeze", "expand_dims", "ensure_shape", "check_numerics", "stop_gradient", "permute_dims",
     "strided_slice", "slice"}
)  # fmt: skip


def source_of(graph: LossGraph, place: int, through: frozenset[str] = frozenset({"astype"})) -> int:
    """The node whose elements `place` holds, looking through moves and the operations `through`."""
    node = graph[place]
    while node.args and (node.op in MOVES or node.op in through):
        node = graph[node.args[0]]
    return node.id


def input_behind(graph: LossGraph, place: int) -> int | None:
    """The input whose elements a node holds, cast or not; None for anything computed."""
    found = source_of(graph, place)
    return found if graph[found].op == "input" else None
