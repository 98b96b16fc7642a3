"""LD412: a Python loop copies the loss into the graph once for every element of an axis."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import cast

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph, Node, Span
from lossdoctor.ops import TABLE
from lossdoctor.rules.efficiency.counted import counted
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD412", name="unrolled-loop", family="efficiency", severity="warning")

# Slices by one expression from which unrolling costs: a loop over a handful of classes or scales is healthy.
MANY = 24
# Slices by one expression that takes few places again and again: two nested loops over an axis.
NESTED, PLACES = 64, 8
LARGE = 1000  # operations, from which a script that traces them once more takes too long
_SLICES = ("strided_slice", "slice", "take")
_COMPUTES = frozenset({"elementwise", "reduce", "matmul"})
_SHIFTS = frozenset({"roll"})  # that move the whole tensor
_ACCUMULATES = frozenset({"add", "multiply", "maximum", "minimum"})


@RULE.check
def unrolled_loop(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """One expression that slices one tensor at many places, or computes the same many times over, each time from
    nothing that it computed before: then one operation on a larger tensor does it."""
    if graph.stage != "traced":
        return
    found = _slices(graph) or _copies(graph, dependence)
    if found is None:
        return
    node, count = found
    better = "convolution or pooling" if node.op in _SHIFTS else "operation over the whole axis"
    total = sum(each.role == "forward" for each in graph.nodes)
    yield RULE.at(
        node,
        f"`{node.call}` is in a Python loop that is unrolled {count} times: the graph has {total} operations and "
        f"grows with each turn; one {better} does the same",
        evidence="proved",
        when=("graph",),
        **(counted(graph, *(_SLICES if node.op in _SLICES else (node.op,)), count=count) if total <= LARGE else {}),
    )


def _slices(graph: LossGraph) -> tuple[Node, int] | None:
    """The first slice that is taken at many places along one axis, and how often it is taken."""
    places: defaultdict[tuple[int, Span], dict[object, Node]] = defaultdict(dict)
    times: Counter[tuple[int, Span]] = Counter()
    for node in graph.where(*_SLICES, role="forward"):
        begin = node.attrs.get("begin", node.args[1:])
        if node.span is not None:
            places[node.args[0], node.span].setdefault(begin, node)
            times[node.args[0], node.span] += 1
    for key, nodes in places.items():
        often = len(nodes) >= MANY or (len(nodes) >= PLACES and times[key] >= NESTED)
        if often and _along_one_axis(list(nodes)):
            return next(iter(nodes.values())), times[key]
    return None


def _along_one_axis(begins: list[object]) -> bool:
    """Whether the places differ in one index only; a recursion over a table (dynamic programming) moves in two."""
    rows = [cast("tuple[object, ...]", begin) for begin in begins if isinstance(begin, tuple)]
    return len(rows) < len(begins) or sum(len(set(column)) > 1 for column in zip(*rows, strict=True)) == 1


def _copies(graph: LossGraph, dependence: Reading[Dependence]) -> tuple[Node, int] | None:
    """The first expression that is computed from data many times, each time from something else, and never from an
    earlier copy of itself.

    Copies that build on each other are an iteration (Sinkhorn, a recurrence, a table of dynamic programming), which
    nothing replaces, unless all they do is to add up, or to keep the largest.
    """
    copies: defaultdict[tuple[tuple[Span, ...], str], list[Node]] = defaultdict(list)
    for node in graph.where(role="forward"):
        row = TABLE.by_name.get(node.op)
        computes = row is not None and (row.kind in _COMPUTES or node.op in _SHIFTS)
        if node.calls and computes and dependence[node].on_data:
            copies[node.calls, node.op].append(node)
    many = {key: nodes for key, nodes in copies.items() if len(nodes) >= MANY}
    independent = {key: _independent(graph, nodes) for key, nodes in many.items()}
    chained = {op for (_, op), alone in independent.items() if not alone}
    if len(chained) > 1 or not chained <= _ACCUMULATES:
        return None
    for key, nodes in many.items():
        if independent[key] and len({_reads(graph, node) for node in nodes}) >= MANY:
            return nodes[0], len(nodes)
    return None


def _reads(graph: LossGraph, node: Node) -> tuple[object, ...]:
    """What tells a copy from another: its arguments, a number by its value."""
    found: list[object] = []
    for arg in node.args:
        value = graph[arg].constant
        found.append(arg if value is None else (value.shape, value.tobytes()))
    return (*found, repr(node.attrs)) if node.op in _SHIFTS else tuple(found)


def _independent(graph: LossGraph, nodes: Sequence[Node]) -> bool:
    """Whether none of these is computed from another of them."""
    own = {node.id for node in nodes}
    reached: set[int] = set()
    for node in graph.graph.nodes[nodes[0].id : nodes[-1].id + 1]:
        if any(arg in reached or arg in own for arg in node.args):
            if node.id in own:
                return False
            reached.add(node.id)
    return True
