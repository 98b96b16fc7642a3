"""Whether two nodes are the same computation, written twice."""

from __future__ import annotations

import numpy as np

from lossdoctor.graph.ir import Graph, Node
from lossdoctor.ops import TABLE


def identical(graph: Graph, one: int, other: int) -> bool:
    """Whether two nodes of a graph have the same value for every input, by what they are made of.

    Random numbers are others each time; so may be what an operation without a row in the table gives.
    """
    return _same(graph, one, other, {})


def _same(graph: Graph, one: int, other: int, known: dict[tuple[int, int], bool]) -> bool:
    if one == other:
        return True
    if (one, other) not in known:
        known[one, other] = _alike(graph[one], graph[other]) and all(
            _same(graph, a, b, known) for a, b in zip(graph[one].args, graph[other].args, strict=True)
        )
    return known[one, other]


def _alike(one: Node, other: Node) -> bool:
    """Whether two nodes do the same with their arguments."""
    if (one.op, one.dtype, len(one.args)) != (other.op, other.dtype, len(other.args)) or one.bodies or other.bodies:
        return False
    if one.constant is not None and other.constant is not None and one.op == "constant":
        return np.array_equal(one.constant, other.constant)
    row = TABLE.by_name.get(one.op)
    return bool(one.args) and row is not None and row.kind != "random" and one.attrs == other.attrs
