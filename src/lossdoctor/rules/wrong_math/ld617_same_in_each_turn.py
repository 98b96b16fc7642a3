"""LD617: each turn of a loop adds the same: what the loop counts is not used in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.identical import identical
from lossdoctor.graph.ir import LossGraph, Node, Span
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD617", name="same-in-each-turn", family="wrong-math", severity="warning")

_SLICES = ("strided_slice", "slice", "take")
_TOGETHER = ("add_n", "stack", "concat")


@RULE.check
def same_in_each_turn(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """One expression that is computed several times over from the same, and added up: random numbers, another scale
    or another threshold make a turn of its own."""
    if graph.stage != "traced":
        return
    for terms in (*_added(graph), *_collected(graph)):
        first = graph[terms[0]]
        if len(set(terms)) < len(terms) or dependence[first].link != "live" or not first.calls:
            continue
        if all(graph[term].calls == first.calls and identical(graph.graph, terms[0], term) for term in terms[1:]):
            node = _taken(graph, terms)
            yield RULE.at(
                node or first,
                f"`{(node or first).call}` is the same in all {len(terms)} turns of the loop: "
                f"`{first.call}` is added {len(terms)} times over, and what the loop counts has no part in it",
                evidence="proved",
            )
            return


def _added(graph: LossGraph) -> Iterator[list[int]]:
    """What one `total += term` adds."""
    groups: defaultdict[tuple[Span, ...], list[Node]] = defaultdict(list)
    for node in graph.where("add", role="forward"):
        if node.calls:
            groups[node.calls].append(node)
    for nodes in groups.values():
        terms: list[int] = []
        for before, node in pairwise(nodes):
            if before.id not in node.args:
                break
            terms.append(node.args[0] if node.args[1] == before.id else node.args[1])
        if terms and len(terms) == len(nodes) - 1:
            # The first turn adds to zero, or to what was there before the loop.
            begun = [arg for arg in nodes[0].args if graph[arg].calls == graph[terms[0]].calls]
            if begun or len(terms) > 1:
                yield [*begun[:1], *terms]


def _collected(graph: LossGraph) -> Iterator[list[int]]:
    """What a list of terms holds, once it is made one tensor."""
    for node in graph.where(*_TOGETHER, role="forward"):
        if len(node.args) > 1:
            yield list(node.args)


def _taken(graph: LossGraph, terms: list[int]) -> Node | None:
    """What the first turn cuts out, at the same place as the second."""
    again = {graph[node].calls for node in graph.graph.ancestors(terms[1])}
    for node in graph.where(*_SLICES, role="forward"):
        if node.calls in again and node.id in graph.graph.ancestors(terms[0]):
            return node
    return None
