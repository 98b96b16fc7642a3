"""How often an expression ran while a loss was traced: a Python loop puts its body into the graph for each pass."""

from __future__ import annotations

from collections.abc import Iterable

from lossdoctor.graph.ir import LossGraph, Node, Span

Calls = tuple[Span, ...]


def passes(nodes: Iterable[Node]) -> dict[int, int]:
    """For each node with a place in the code: in which pass over its expression it was made, from 1.

    An expression is run again where it makes a node after something that is no part of it did, or after a part of it
    was run again; one that makes several nodes in a row, or around those of its parts, is run once.
    """
    found: dict[int, int] = {}
    made: list[tuple[Calls, int]] = []  # of each node: whose it is, and the pass
    last: dict[Calls, int] = {}  # of each expression: the index in `made` of its newest node
    for node in nodes:
        if not node.calls:
            continue
        calls = node.calls
        turn = 1
        if calls in last:
            turn = made[last[calls]][1]
            since = made[last[calls] + 1 :]
            if any(not part_of(other, calls) or again > turn for other, again in since):
                turn += 1
        found[node.id] = turn
        last[calls] = len(made)
        made.append((calls, turn))
    return found


def results(graph: LossGraph, nodes: Iterable[Node]) -> list[Node]:
    """The nodes but for what is made on the way to the result of an expression, such as the squares of a norm: those
    whose value nothing takes that is no part of it."""
    given = list(nodes)
    turns = passes(given)
    users: dict[int, list[Node]] = {}
    for node in graph.nodes:
        if node.role == "forward" and node.op != "dims":
            for arg in node.args:
                users.setdefault(arg, []).append(node)

    def leaves(node: Node) -> bool:
        takers = users.get(node.id, ())
        # The same operation once more is another pass: of two in a row nothing else tells.
        here = [one for one in takers if one.calls == node.calls and one.op != node.op]
        inner = [one for one in here if turns.get(one.id, 1) == turns.get(node.id, 1)]
        return not node.calls or node.id == graph.value or not takers or len(inner) < len(takers)

    return [node for node in given if leaves(node)]


def part_of(inner: Calls, outer: Calls) -> bool:
    """Whether an expression lies within another, or in what that other calls."""
    depth = len(outer) - 1
    return len(inner) > depth and inner[:depth] == outer[:depth] and _within(inner[depth], outer[depth])


def _within(inner: Span, outer: Span) -> bool:
    start, end = (outer.line, outer.column), (outer.end_line, outer.end_column)
    return (
        inner.path == outer.path and start <= (inner.line, inner.column) and (inner.end_line, inner.end_column) <= end
    )
