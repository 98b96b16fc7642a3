"""Which values only ever pass through a `where`, so that a selection may keep them out of the loss."""

from __future__ import annotations

from collections.abc import Mapping

from lossdoctor.graph.ir import LossGraph, Node


def masked(graph: LossGraph) -> dict[int, Node]:
    """Forward nodes that reach the value of the loss through data arguments of a `where` only, each with the
    first such `where` on the way."""
    users = graph.graph.users()
    value = graph.value
    free: set[int] = set()  # nodes with a path to the value that passes no `where` as data
    relevant = graph.graph.ancestors(value)
    for node in reversed(graph.nodes):
        if node.id not in relevant or node.role == "gradient":
            continue
        if node.id == value or any(
            user in free and not _selects(graph[user], node.id) for user in users[node.id] if user in relevant
        ):
            free.add(node.id)
    result: dict[int, Node] = {}
    for number in sorted(relevant - free):
        node = graph[number]
        if node.role == "forward" and node.op not in ("constant", "dims", "input", "variable"):
            where = _first_where(graph, number, users, relevant)
            if where is not None:
                result[number] = where
    return result


def _selects(user: Node, argument: int) -> bool:
    """Whether `user` is a `where` that takes the argument as data (not as its condition)."""
    return user.op == "where" and argument in user.args[1:] and argument != user.args[0]


def _first_where(
    graph: LossGraph, start: int, users: Mapping[int, tuple[int, ...]], relevant: frozenset[int]
) -> Node | None:
    queue, seen = [start], {start}
    for current in queue:
        for user in users[current]:
            if user not in relevant or user in seen or graph[user].role == "gradient":
                continue
            if _selects(graph[user], current):
                return graph[user]
            seen.add(user)
            queue.append(user)
    return None
