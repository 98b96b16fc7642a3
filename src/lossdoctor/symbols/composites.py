"""Programs of many operations that formulas have one word for, as one node each.

TensorFlow's CTC loss is a recursion, in a loop over the rows of the scores, behind a gradient of its own. It is told by
that shape and by what its loop is given, never by a name; whether it is the formula's `ctc` is for the comparison of
the formula with the code to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lossdoctor.graph.ir import Dim, Graph, LossGraph, Node


@dataclass(frozen=True, slots=True)
class Alignment:
    """The nodes that a sum over alignments is made of; `blank` counts from the end if it is negative."""

    labels: int
    scores: int
    lengths: int
    rows: int
    blank: int


def with_composites(loss: LossGraph) -> LossGraph:
    """The same loss with one node of op "ctc" for each sum over alignments: labels, scores, lengths and rows."""
    nodes = list(loss.nodes)
    for node in loss.graph.where("identity", role="forward"):
        found = alignment(loss.graph, node) if node.attrs.get("custom") else None
        if found is not None:
            args = (found.labels, found.scores, found.lengths, found.rows)
            nodes[node.id] = replace(node, op="ctc", args=args, attrs={"blank": found.blank})
    return replace(loss, graph=Graph(tuple(nodes), loss.graph.inputs, loss.graph.outputs))


def alignment(graph: Graph, node: Node) -> Alignment | None:
    """What a node with a gradient of its own sums the alignments of; None if it is nothing of the kind."""
    cone = [graph[place] for place in sorted(graph.ancestors(node.id))]
    loops = [one for one in cone if one.op == "while"]
    shares = [one for one in cone if one.op == "log_softmax" and len(one.shape or ()) == 3]
    if len(loops) != 1 or len(shares) != 1 or shares[0].id not in graph.ancestors(loops[0].id):
        return None
    classes = _last(shares[0])
    hot = [one for one in cone if one.op == "one_hot" and one.attrs.get("depth") == classes]
    hot = [one for one in hot if len(graph[one.args[0]].shape or ()) == 2]
    labels = {one.args[0] for one in hot}
    rows = set(_counted(graph, cone))
    if len(labels) != 1 or len(rows) != 1:
        return None
    width = _last(graph[next(iter(labels))])
    after = width + 1 if isinstance(width, int) else None  # a length is one of 0 to the number of labels
    ends = [one for one in cone if one.op == "one_hot" and one.attrs.get("axis") == 0]
    lengths = {one.args[0] for one in ends if one.attrs.get("depth") == after}
    turned = graph[shares[0].args[0]]
    if len(lengths) != 1 or turned.op != "permute_dims" or turned.attrs.get("axes") != (1, 0, 2):
        return _led(graph, turned, labels, lengths, rows)
    return Alignment(labels.pop(), turned.args[0], lengths.pop(), rows.pop(), 0)


def _last(node: Node) -> Dim | None:
    return node.shape[-1] if node.shape else None


def _counted(graph: Graph, cone: list[Node]) -> Iterator[int]:
    """The numbers of rows: what 0, 1, 2, … is compared with."""
    for one in cone:
        if one.op != "less":
            continue
        left, right = (graph[arg] for arg in one.args)
        if left.constant is None or not np.array_equal(left.constant, np.arange(left.constant.size)):
            continue
        while right.op in ("astype", "expand_dims"):
            right = graph[right.args[0]]
        yield right.id


def _led(graph: Graph, joined: Node, labels: set[int], lengths: set[int], rows: set[int]) -> Alignment | None:
    """The same with the blank moved to the front, of scores and of labels."""
    if len(lengths) != 1 or joined.op != "concat" or len(joined.args) != 3:
        return None
    parts = [graph[arg] for arg in joined.args]
    moved = graph[labels.pop()]
    if any(part.op != "strided_slice" for part in parts) or len({part.args[0] for part in parts}) != 1:
        return None
    begin = parts[0].attrs.get("begin")
    turned = graph[parts[0].args[0]]
    if not isinstance(begin, tuple) or turned.op != "permute_dims" or turned.attrs.get("axes") != (1, 0, 2):
        return None
    blank = begin[-1]
    if not isinstance(blank, int) or moved.op != "where" or len(moved.args) != 3:
        return None
    return Alignment(moved.args[2], turned.args[0], lengths.pop(), rows.pop(), blank)
