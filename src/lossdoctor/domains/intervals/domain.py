"""The interval domain: one pass over a graph under a set of boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lossdoctor.domains.interpret import NodeGap

# `kernels`, `logic`, `special` and `windows` register their rules on import.
from lossdoctor.domains.intervals import (
    elementwise,
    kernels,
    logic,
    loops,
    moves,
    reductions,
    relations,
    sizes,
    special,
    spectra,
    structure,
    windows,
)
from lossdoctor.domains.intervals.boxes import Boxes
from lossdoctor.domains.intervals.enclosure import INF, Enclosure, Leaf, anything, union
from lossdoctor.domains.intervals.moves import Chain
from lossdoctor.graph.ir import Graph, Node

_REGISTERS = (kernels, logic, special, windows)
_DEPTH = 200  # of views of views; beyond, a view is only known to lie in the hull
_FOLDS = frozenset({"sum", "mean", "max", "min", "prod"})


@dataclass
class Intervals:
    """Domain of `interpret`: an `Enclosure` for each node, for the boxes of `boxes`.

    `sources` gives the enclosures of the input nodes. Nodes that mix elements, and inputs, are leaves: their
    elements may be cut into boxes. All other nodes are functions of these, element by element.
    """

    graph: Graph
    sources: Mapping[int, Enclosure]
    boxes: Boxes
    name: str = "intervals"
    hulls: dict[Leaf, Enclosure] = field(default_factory=dict[Leaf, Enclosure])
    gaps: list[NodeGap] = field(default_factory=list[NodeGap])
    assumptions: set[str] = field(default_factory=set[str])
    inner: bool = False  # the body of a control-flow operation: its leaves cannot be cut
    _views: dict[Leaf, Enclosure] = field(default_factory=dict[Leaf, Enclosure])

    def top(self, node: Node) -> Enclosure:
        return anything(node.dtype)

    def transfer(self, node: Node, args: Sequence[Enclosure], graph: Graph) -> Enclosure:
        with np.errstate(all="ignore"):
            return self.view(node.id, (), 0)

    def view(self, number: int, chain: Chain, depth: int) -> Enclosure:
        """What the elements of a node can be, seen through a chain of moves."""
        key = (number, chain)
        known = self._views.get(key)
        if known is None:
            node = self.graph[number]
            if depth > _DEPTH and chain:
                known = replace(self.view(number, (), 0).joined().plain(), parts=())
            else:
                known = self._view(node, chain, depth + 1)
            self._views[key] = known
        return known

    def _view(self, node: Node, chain: Chain, depth: int) -> Enclosure:
        if node.id in self.sources:
            return self._leaf(node, chain, self.sources[node.id])
        first = self.graph[node.args[0]] if node.args else None
        if first is not None and node.op == "broadcast_to":
            # Every element is looked up by the rules of broadcasting anyway.
            return self._through(first, moves.lifted(first, node, chain), depth)
        if first is not None and (node.op in moves.MOVES or self._keeps_all(node)):
            step = moves.move(node) if node.op in moves.MOVES else self._reshape(node)
            return self._through(first, (step, *chain), depth)
        if node.op == "where" and node.attrs.get("rows") and not self._same_shapes(node):
            return self._mixed(node, chain)  # its condition chooses rows, which broadcasting would take for columns
        if elementwise.known(node.op) and node.args and not spectra.concerned(node, self.graph):
            return self._elementwise(node, chain, depth)
        if node.op == "cond" and not self.inner:
            result = self._branches(node) if not chain else self.view(node.id, (), 0).joined()
            return result.plain()
        return self._mixed(node, chain)

    def _through(self, source: Node, chain: Chain, depth: int) -> Enclosure:
        shorter = moves.normal(source, chain)
        value = self.view(source.id, shorter, depth)
        return value.plain() if shorter or chain else value

    def _elementwise(self, node: Node, chain: Chain, depth: int) -> Enclosure:
        args = [self.view(arg, moves.lifted(self.graph[arg], node, chain), depth) for arg in node.args]
        result = elementwise.transfer(node, args)
        if result is None:
            return self._mixed(node, chain)
        result = relations.refine(node, result, args, self.graph, lambda arg: self.view(arg, (), 0))
        leaves: frozenset[Leaf] = frozenset(leaf for arg in args for leaf in arg.leaves)
        if node.op in ("zeros_like", "ones_like"):
            leaves = frozenset()
        result = replace(result, leaves=leaves)
        return result.plain() if chain else result

    def _mixed(self, node: Node, chain: Chain) -> Enclosure:
        """A node that is not elementwise, by its own rule over the hulls of its arguments."""
        hull = self.hulls.get((node.id, ()))
        if hull is None:
            args = [_whole_line(self.view(arg, (), 0).joined()) for arg in node.args]
            rules = spectra.RULES if spectra.concerned(node, self.graph) else reductions.RULES
            rule = rules.get(node.op)
            found = self._loop(node, args) if node.op == "while" else None
            if rule is not None:
                found = rule(node, args, self.graph)
            if found is None:
                self.gaps.append(NodeGap(node.id, node.op, self.name))
                found = self.top(node)
            if node.op == "variable":
                self.assumptions.add(structure.VARIABLES)
            if node.op == "sparse_softmax_cross_entropy":
                self.assumptions.add(structure.LABELS)
            if node.op == "sum":
                bounds = relations.weighted(node, self.graph, lambda arg: self.view(arg, (), 0))
                if bounds is not None:
                    found = replace(found, low=np.maximum(found.low, bounds[0]), high=np.minimum(found.high, bounds[1]))
            hull = found
        if node.op in ("constant", "dims", "full") or node.dtype in ("tuple", "variant"):
            self.hulls[node.id, ()] = hull
            return hull
        return self._leaf(node, chain, hull)

    def _leaf(self, node: Node, chain: Chain, hull: Enclosure) -> Enclosure:
        """A node whose elements are free in its hull, cut where a box says so."""
        leaf: Leaf = (node.id, chain)
        self.hulls[node.id, ()] = hull
        hull = hull if not chain else hull.plain()
        self.hulls[leaf] = hull
        if self.inner:
            return hull if node.id in self.sources and not chain else hull.joined()
        if leaf in self.boxes.low:
            return replace(self.boxes.value(leaf, hull), peak=hull.peak, total=hull.total)
        return replace(hull, leaves=frozenset([leaf]))

    def _keeps_all(self, node: Node) -> bool:
        """A reduction over axes of size 1 only."""
        if node.op not in _FOLDS:
            return False
        axes, count = reductions.folded(node, self.graph)
        return axes is not None and count == (1.0, 1.0)

    def _reshape(self, node: Node) -> moves.Move:
        return moves.move(replace(node, op="reshape"))

    def _same_shapes(self, node: Node) -> bool:
        return all(sizes.same(self.graph[arg].shape, node.shape) for arg in node.args)

    def _branches(self, node: Node) -> Enclosure:
        """Either branch; the condition is one for all elements."""
        results: list[Enclosure] = []
        for body in node.bodies:
            arguments: dict[int, Enclosure] = {}
            for number in body.inputs:
                index = body[number].attrs.get("index")
                if not isinstance(index, int) or not 0 <= index + 1 < len(node.args):
                    return self._gap(node)
                arguments[number] = self.view(node.args[index + 1], (), 0)
            inside = Intervals(body, arguments, self.boxes, inner=True)
            values = [inside.transfer(inner, (), body) for inner in body.nodes]
            self.assumptions |= inside.assumptions
            if inside.gaps or not body.outputs:
                return self._gap(node)
            outputs = tuple(values[output] for output in body.outputs)
            results.append(replace(self.top(node), parts=outputs) if node.dtype == "tuple" else outputs[0])
        if not results:
            return self._gap(node)
        if node.dtype == "tuple":
            parts = tuple(union(*options) for options in zip(*(result.parts for result in results), strict=True))
            return replace(results[0], parts=tuple(part.joined() for part in parts))
        return union(*results)

    def _loop(self, node: Node, args: Sequence[Enclosure]) -> Enclosure | None:
        def body(graph: Graph, state: loops.State) -> loops.State | None:
            arguments: dict[int, Enclosure] = {}
            for number in graph.inputs:
                index = graph[number].attrs.get("index")
                if not isinstance(index, int) or not 0 <= index < len(state):
                    return None
                arguments[number] = state[index]
            inside = Intervals(graph, arguments, self.boxes, inner=True)
            values = [inside.transfer(inner, (), graph) for inner in graph.nodes]
            self.assumptions |= inside.assumptions
            return tuple(values[output].joined().plain() for output in graph.outputs)

        found = loops.run(node, tuple(arg.plain() for arg in args), body) if len(node.bodies) == 2 else None
        if not found:
            return None
        return replace(self.top(node), parts=found) if node.dtype == "tuple" else found[0]

    def _gap(self, node: Node) -> Enclosure:
        self.gaps.append(NodeGap(node.id, node.op, self.name))
        return self.top(node)


def _whole_line(value: Enclosure) -> Enclosure:
    """An interval for a rule that knows no empty ones."""
    if value.low[0] <= value.high[0]:
        return value
    return replace(value, low=np.array([-INF]), high=np.array([INF]))
