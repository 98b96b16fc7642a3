"""Adaptive refinement: cut the boxes in which something non-finite gets through, and only those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lossdoctor.domains.interpret import interpret
from lossdoctor.domains.intervals.boxes import Boxes
from lossdoctor.domains.intervals.domain import Intervals
from lossdoctor.domains.intervals.elementwise import known
from lossdoctor.domains.intervals.enclosure import Bools, Enclosure, Leaf
from lossdoctor.graph.ir import Graph, Node

_ROUNDS = 14
_LEAKS = 6  # looked at in one round
_ACTIVE = 4  # leaves that are cut
_NUMERIC = ("float", "bfloat", "int", "uint", "bool", "tuple")


class Reading:
    """The enclosures of all nodes under the final boxes."""

    def __init__(self, domain: Intervals, values: Sequence[Enclosure]) -> None:
        self.domain = domain
        self.boxes = domain.boxes
        self.graph = domain.graph
        self.values = tuple(values)
        self.gaps = tuple(domain.gaps)


def bounded(value: Enclosure) -> Bools:
    if not value.parts:
        return value.bounded
    return np.array([all(part.bounded.all() for part in value.parts)])


def read(graph: Graph, sources: Mapping[int, Enclosure], roots: Sequence[int], budget: int) -> Reading:
    """Read the graph under boxes that are refined until the roots are proved finite, or up to `budget` boxes."""
    boxes = Boxes()
    relevant = graph.ancestors(*roots)
    best: Reading | None = None
    for number in range(_ROUNDS):
        domain = Intervals(graph, sources, boxes)
        reading = Reading(domain, interpret(graph, domain, {}).values)
        best = reading
        if all(bounded(reading.values[root]).all() for root in roots):
            break
        if number and any(gap.node in relevant for gap in reading.gaps):
            break  # what has no rule stays unknown in boxes of any size
        finer = _refined(reading, relevant, roots, budget)
        if finer is None:
            break
        boxes = finer
    assert best is not None
    return best


def _refined(reading: Reading, relevant: frozenset[int], roots: Sequence[int], budget: int) -> Boxes | None:
    """Finer boxes; None if there is nothing left that is worth cutting."""
    wanted: dict[Leaf, Bools] = {}
    blank = np.zeros(reading.boxes.size, bool)
    stuck: dict[Leaf, Bools] = {}
    for leak in _leaks(reading, relevant, roots):
        table = stuck if leak.leaves == (leak.node,) else wanted
        for leaf in leak.leaves:
            table[leaf] = table.get(leaf, blank) | leak.mask
    return _cut(reading, wanted, budget) or _cut(reading, _upstream(reading, {**stuck, **wanted}), budget)


@dataclass(frozen=True)
class _Leak:
    """Where a value that is not proved finite enters an operation that mixes elements, or a root."""

    node: Leaf
    mask: Bools  # the boxes in which it does
    leaves: tuple[Leaf, ...]  # that could tell more, best first


def _leaks(reading: Reading, relevant: frozenset[int], roots: Sequence[int]) -> Iterator[_Leak]:
    """The first leaks, in the order of the graph."""
    graph, size = reading.graph, reading.boxes.size
    entries = set(roots)
    for node in graph.nodes:
        if node.id in relevant and not known(node.op):
            entries.update(node.args)
    found = 0
    for number in sorted(entries):
        value = reading.values[number]
        mask = np.broadcast_to(~value.bounded, (size,))
        if value.parts or not value.leaves or not mask.any():
            continue
        leaves = dict.fromkeys((*_blamed(reading, number, mask), *sorted(value.leaves, key=repr)))
        yield _Leak((number, ()), mask, tuple(leaves))
        found += 1
        if found >= _LEAKS:
            return


def _blamed(reading: Reading, number: int, mask: Bools) -> Iterator[Leaf]:
    """Leaves of the elementwise operations behind a leak whose arguments are finite and whose result is not."""
    stack, seen = [number], {number}
    while stack:
        node = reading.graph[stack.pop()]
        if not known(node.op):
            continue
        bad = [arg for arg in node.args if (np.broadcast_to(~bounded(reading.values[arg]), mask.shape) & mask).any()]
        if not bad:
            yield from sorted(reading.values[node.id].leaves, key=repr)
        for arg in bad:
            if arg not in seen:
                seen.add(arg)
                stack.append(arg)


def _upstream(reading: Reading, wanted: Mapping[Leaf, Bools]) -> dict[Leaf, Bools]:
    """One step back: the boxes at the ends of the hulls of the nodes that the wanted leaves are elements of."""
    result: dict[Leaf, Bools] = {}
    for number, _ in wanted:
        for arg in reading.graph[number].args:
            value = reading.values[arg]
            if value.parts or not value.leaves:
                continue
            ends = (value.low <= value.low.min()) | (value.high >= value.high.max())
            mask = np.broadcast_to(ends, (reading.boxes.size,))
            for leaf in sorted(value.leaves, key=repr):
                result[leaf] = result.get(leaf, np.zeros(reading.boxes.size, bool)) | mask
    return result


def _cut(reading: Reading, wanted: Mapping[Leaf, Bools], budget: int) -> Boxes | None:
    boxes, hulls = reading.boxes.copy(), reading.domain.hulls
    origin = np.arange(boxes.size)  # of each box now, the box at the start
    for leaf in wanted:
        if leaf not in boxes.low and len(boxes.low) < _ACTIVE and _numeric(reading.graph[leaf[0]]):
            boxes.activate(leaf, hulls[leaf].joined(), reading.graph[leaf[0]].dtype)
    active = [leaf for leaf in wanted if leaf in boxes.low]
    fresh = [leaf for leaf in active if (boxes.uncut(leaf) & wanted[leaf]).any()]
    # First see what cutting along another leaf brings.
    for leaf in fresh or active:
        marked = wanted[leaf][origin] & boxes.splittable(leaf)
        if fresh:
            marked = marked & boxes.uncut(leaf)
        pieces = 4 if len(active) == 1 else 2
        grown = int(marked.sum()) * ((len(boxes.cells[leaf][0]) if fresh else pieces) - 1)
        if marked.any() and boxes.size + grown <= budget:
            origin = origin[boxes.split(leaf, marked, pieces, hulls[leaf].joined())]
    return boxes if boxes.size > reading.boxes.size else None


def _numeric(node: Node) -> bool:
    return node.dtype.startswith(_NUMERIC) and node.dtype != "tuple"
