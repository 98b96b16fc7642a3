"""LD412: a Python loop copies the loss into the graph once for every element of an axis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import cast

from lossdoctor.graph.ir import LossGraph, Node, Span
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD412", name="unrolled-loop", family="efficiency", severity="warning")

# Slices by one expression from which unrolling costs: a loop over a handful of classes or scales is healthy.
MANY = 24
# Slices by one expression that takes few places again and again: two nested loops over an axis.
NESTED, PLACES = 64, 8


@RULE.check
def unrolled_loop(graph: LossGraph) -> Iterator[Suspicion]:
    """One expression that slices one tensor at many different places is the body of a loop over an axis."""
    if graph.stage != "traced":
        return
    places: defaultdict[tuple[int, Span], dict[object, Node]] = defaultdict(dict)
    times: defaultdict[tuple[int, Span], int] = defaultdict(int)
    for node in graph.where("strided_slice", "slice", "take", role="forward"):
        begin = node.attrs.get("begin", node.args[1:])
        if node.span is not None:
            places[node.args[0], node.span].setdefault(begin, node)
            times[node.args[0], node.span] += 1
    total = sum(node.role == "forward" for node in graph.nodes)
    told: set[int] = set()
    for (source, span), nodes in places.items():
        count = times[source, span]
        often = len(nodes) >= MANY or (len(nodes) >= PLACES and count >= NESTED)
        if not often or span.line in told or not _along_one_axis(list(nodes)):
            continue
        told.add(span.line)
        yield RULE.at(
            next(iter(nodes.values())),
            f"`{' '.join(span.text.split())}` is in a Python loop that is unrolled {count} times: the graph has "
            f"{total} operations and grows with that axis; one operation over the whole axis does the same",
            evidence="proved",
            when=("graph",),
        )
        return


def _along_one_axis(begins: list[object]) -> bool:
    """Whether the places differ in one index only; a recursion over a table (dynamic programming) moves in two."""
    rows = [cast("tuple[object, ...]", begin) for begin in begins if isinstance(begin, tuple)]
    return len(rows) < len(begins) or sum(len(set(column)) > 1 for column in zip(*rows, strict=True)) == 1
