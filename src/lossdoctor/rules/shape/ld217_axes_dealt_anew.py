"""LD217: a reshape puts axes into another order, which only a transposition can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.dims import UNKNOWN, multiply
from lossdoctor.graph.ir import Dim, LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD217", name="axes-dealt-anew", family="shape", severity="warning")

_PASSES = frozenset({"astype", "identity", "stop_gradient", "item"})


@RULE.check
def axes_dealt_anew(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    users = graph.graph.users()
    for node in graph.where("reshape", role="forward"):
        source, target = graph[node.args[0]].shape, node.shape
        if not source or not target or UNKNOWN in (*source, *target) or not dependence[node].on_data:
            continue
        group = _out_of_order(source, target)
        if group is None or not _matters(graph, users, node, group):
            continue
        wanted = ", ".join(str(dim) for dim in target)
        yield RULE.at(
            node,
            f"`{' '.join(node.call.split())}` reshapes ({', '.join(map(str, source))}) to ({wanted}), which deals the "
            "numbers out in the order they have: axes change places by tf.transpose only, and what looks like a row "
            "of one axis is a mixture of all",
            evidence="proved",
            symptom="operation-on-shapes",
            arguments={"types": TABLE.by_name[node.op].tf, "shapes": (source,), "result": target},
            replay="welcome",
        )
        return


def _out_of_order(source: Sequence[Dim], target: Sequence[Dim]) -> range | None:
    """The axes of `target` that hold the axes of `source` merged in another order; None where the order is kept.

    Axes of equal size cannot be told apart, so that in doubt the order is kept.
    """
    left, right = 0, 0
    while left < len(source) and right < len(target):
        stop_left, stop_right = _next_boundary(source, target, left, right)
        if stop_left is None or stop_right is None:
            return None
        one = [dim for dim in source[left:stop_left] if dim != 1]
        other = [dim for dim in target[right:stop_right] if dim != 1]
        if len(one) > 1 and len(other) > 1 and _reordered(one, other):
            return range(right, stop_right)
        left, right = stop_left, stop_right
    return None


def _next_boundary(
    source: Sequence[Dim], target: Sequence[Dim], left: int, right: int
) -> tuple[int, int] | tuple[None, None]:
    """The shortest pieces of both from here on that have the same product."""
    products: dict[Dim, int] = {}
    total: Dim = 1
    for place in range(left, len(source)):
        total = multiply(total, source[place])
        products.setdefault(total, place + 1)
    total = 1
    for place in range(right, len(target)):
        total = multiply(total, target[place])
        if total != UNKNOWN and total in products and (total != 1 or target[place] == 1):
            return products[total], place + 1
    return None, None


def _reordered(source: Sequence[Dim], target: Sequence[Dim]) -> bool:
    """Whether `target` is made of the axes of `source`, some of them merged, in another order.

    (5, 5, 15) to (75, 5) is (5, 5, 3·5) in order: the last axis is taken apart, as boxes of a grid are.
    """
    if len(source) > 5 or _splits_last(source[-1], target):
        return False
    return any(_merged(order, target) for order in permutations(source) if tuple(order) != tuple(source))


def _splits_last(last: Dim, target: Sequence[Dim]) -> bool:
    """Whether each axis of `target` but its first is a factor of the last axis of the source."""
    total: Dim = 1
    for dim in reversed(target[1:]):
        total = multiply(total, dim)
        if not isinstance(total, int) or not isinstance(last, int) or last % total:
            return False
    return True


def _merged(order: Sequence[Dim], target: Sequence[Dim]) -> bool:
    rest = list(order)
    for dim in target:
        total: Dim = 1
        while total != dim:
            if not rest:
                return False
            total = multiply(total, rest.pop(0))
    return not rest


def _matters(graph: LossGraph, users: Mapping[int, tuple[int, ...]], node: Node, group: range) -> bool:
    """Whether somebody tells the new axes apart: all but an elementwise operation, or a reduction over all of them."""
    stack, seen = [node.id], {node.id}
    while stack:
        for user in users[stack.pop()]:
            reader = graph[user]
            if reader.role != "forward" or user in seen:
                continue
            row = TABLE.by_name.get(reader.op)
            kind = "" if row is None else row.kind
            if reader.op in _PASSES or kind == "elementwise":
                others = [graph[arg] for arg in reader.args if arg not in seen]
                if any(other.shape and not _alike(graph, other, node) for other in others):
                    return True
                seen.add(user)
                stack.append(user)
            elif kind != "reduce" or not _over_all(graph, reader, group):
                return not _flattens(reader, node)
    return False


def _alike(graph: LossGraph, other: Node, node: Node) -> bool:
    """Whether a tensor was dealt out the same way: from the same shape to the same shape, and changed elementwise."""
    wanted = graph[node.args[0]].shape, node.shape
    for place in graph.graph.ancestors(other.id):
        reshaped = graph[place]
        if reshaped.op == "reshape" and (graph[reshaped.args[0]].shape, reshaped.shape) == wanted:
            return other.shape == node.shape
    return False


def _over_all(graph: LossGraph, reader: Node, group: range) -> bool:
    rank = len(graph[reader.args[0]].shape or ())
    axes = reader.attrs.get("axis")
    if axes is None:
        return True
    along = {axis % rank for axis in (axes if isinstance(axes, tuple) else (axes,)) if isinstance(axis, int) and rank}
    return set(group) <= along


def _flattens(reader: Node, node: Node) -> bool:
    """Whether a further reshape forgets the new axes again."""
    return reader.op == "reshape" and len(reader.shape or ()) < len(node.shape or ())
