"""The invariants of a graph, checked after each frontend and rewrite."""

from __future__ import annotations

from lossdoctor.graph import dims
from lossdoctor.graph.ir import Graph, LossGraph, Node
from lossdoctor.graph.text import node_line
from lossdoctor.ops.table import TABLE

_AROUND = 5  # nodes before and after the one that fails


def verify(graph: LossGraph | Graph) -> None:
    """Check that the graph is well formed.

    Ids are dense, arguments come before their users, inputs and outputs exist, gradient nodes name an earlier
    forward node, and the shape of an elementwise node is the broadcast of its arguments'.

    Raises AssertionError with the ten nodes around the first that fails.
    """
    inner = graph.graph if isinstance(graph, LossGraph) else graph
    for position, node in enumerate(inner.nodes):
        _require(node.id == position, inner, position, f"has id {node.id}, expected {position}")
        for arg in node.args:
            _require(0 <= arg < position, inner, position, f"reads %{arg}, which is not before it")
        if node.forward is not None:
            _require(0 <= node.forward < len(inner.nodes), inner, position, f"names no node as forward: {node.forward}")
            _require(
                inner[node.forward].role == "forward", inner, position, f"has a gradient as forward: {node.forward}"
            )
            _require(node.role == "gradient", inner, position, "has a forward node and is not a gradient")
        _require(node.op != "item" or len(node.args) == 1, inner, position, "is an item of no tuple")
        _check_elementwise(inner, node)
        for body in node.bodies:
            verify(body)
    for output in (*inner.inputs, *inner.outputs):
        _require(0 <= output < len(inner.nodes), inner, 0, f"misses %{output}, an input or output of the graph")
    if isinstance(graph, LossGraph):
        used = (*graph.y_true, *graph.y_pred, graph.value, *(g for g in graph.gradients if g is not None))
        for output in used:
            _require(0 <= output < len(inner.nodes), inner, 0, f"misses %{output}, an input or output of the loss")
        _require(len(graph.gradients) == len(graph.y_pred), inner, 0, "has not one gradient for each y_pred")


def _check_elementwise(graph: Graph, node: Node) -> None:
    row = TABLE.by_name.get(node.op)
    if row is None or row.kind != "elementwise" or node.shape is None or not node.args or node.dtype == "tuple":
        return
    shapes = [graph[arg].shape for arg in node.args if graph[arg].dtype != "tuple"]
    known = [shape for shape in shapes if shape is not None]
    if len(known) != len(node.args):
        return
    expected = dims.broadcast(*known)
    _require(len(expected) == len(node.shape), graph, node.id, f"has rank {len(node.shape)}, expected {expected}")
    for found, wanted in zip(node.shape, expected, strict=True):
        if isinstance(found, int) and isinstance(wanted, int):
            _require(found == wanted, graph, node.id, f"has shape {node.shape}, expected {expected}")


def _require(condition: bool, graph: Graph, position: int, message: str) -> None:
    if condition:
        return
    around = graph.nodes[max(0, position - _AROUND) : position + _AROUND]
    listing = "\n".join(node_line(node) for node in around)
    raise AssertionError(f"node %{position} {message}\n{listing}")
