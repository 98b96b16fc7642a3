"""LD419: all pairs of an axis are made for a sum of squared differences, which is a variance."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import Dim, LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import MOVES

RULE = Rule(code="LD419", name="pairs-for-a-variance", family="efficiency", severity="warning")

MANY = 64  # elements of the axis from which the pairs cost more than they would save in reading
_REDUCES = frozenset({"sum", "mean"})


@RULE.check
def pairs_for_a_variance(graph: LossGraph) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    for node in graph.where("subtract", "squared_difference", role="forward"):
        axes = _paired(graph, node)
        if axes is None or node.shape is None:
            continue
        size = node.shape[axes[0]]
        if (isinstance(size, int) and size < MANY) or size == "?" or not _summed(graph, node, axes):
            continue
        each = math.prod(dim for dim in node.shape if isinstance(dim, int))
        cost = f": {each:,} numbers" if isinstance(size, int) else ""
        yield RULE.at(
            node,
            f"`{node.call}` makes all {size}×{size} pairs{cost}, of whose squares only the sum is used: half the mean "
            "square of all differences is the variance; subtract the mean over the axis and square that",
            evidence="proved",
        )


def _paired(graph: LossGraph, node: Node) -> tuple[int, int] | None:
    """The two axes along which one tensor is compared with itself; None if it is not."""
    left, right = node.args
    if _before_new_axes(graph, left) != _before_new_axes(graph, right):
        return None
    first, second = graph[left].shape, graph[right].shape
    if node.shape is None or first is None or second is None or not len(first) == len(second) == len(node.shape):
        return None
    apart = [place for place, (one, two) in enumerate(zip(first, second, strict=True)) if one != two]
    if len(apart) != 2:
        return None
    one, two = apart
    crossed: tuple[Dim, Dim] = (first[one], first[two])
    if 1 not in crossed or crossed != (second[two], second[one]):
        return None
    long = next((dim for dim in crossed if dim != 1), 1)
    # Of samples that lie in axes of the batch together with others, the mean is taken over all of them.
    return (one, two) if isinstance(long, int) or of_batch(long) else None


def _before_new_axes(graph: LossGraph, place: int) -> int:
    """The tensor that axes of size 1 were added to."""
    node = graph[place]
    while node.op in MOVES and _long(graph[node.args[0]]) == _long(node):
        node = graph[node.args[0]]
    return node.id


def _long(node: Node) -> tuple[Dim, ...]:
    return tuple(dim for dim in node.shape or () if dim != 1)


def _summed(graph: LossGraph, node: Node, axes: tuple[int, int]) -> bool:
    """Whether the squares go into nothing but a sum or mean over both axes."""
    users = graph.graph.users()
    if node.op == "subtract":
        squares = _forward(graph, users[node.id])
        if len(squares) != 1 or not _square(graph, squares[0], node.id):
            return False
        node = squares[0]
    reductions = _forward(graph, users[node.id])
    return len(reductions) == 1 and reductions[0].op in _REDUCES and set(axes) <= _axes(reductions[0], node)


def _forward(graph: LossGraph, places: tuple[int, ...] | list[int]) -> list[Node]:
    """Those that compute with the numbers in the loss itself."""
    known = [graph[place] for place in places]
    return [node for node in known if node.role == "forward" and node.op not in ("dims", "shape")]


def _square(graph: LossGraph, node: Node, place: int) -> bool:
    if node.op == "square" or (node.op == "multiply" and set(node.args) == {place}):
        return True
    power = graph[node.args[1]].constant if node.op == "pow" else None
    return power is not None and power.size == 1 and float(power.reshape(-1)[0]) == 2.0


def _axes(node: Node, of: Node) -> set[int]:
    """The axes that a reduction takes away, from 0."""
    rank = len(of.shape or ())
    axis = node.attrs.get("axis")
    if axis is None:
        return set(range(rank))
    given = axis if isinstance(axis, tuple | list) else (axis,)
    return {int(one) % rank for one in given if isinstance(one, int)}
