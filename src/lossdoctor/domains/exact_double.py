"""A float32 program as a float64 one: the quick stand-in for exact arithmetic that shows which inputs are suspect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lossdoctor.graph.ir import Graph, LossGraph, Node

_NARROW = ("float16", "bfloat16", "float32")


def widened(graph: Graph) -> Graph:
    """The same graph with float64 for every narrower float; constants keep their values."""
    return replace(graph, nodes=tuple(_wide(node) for node in graph.nodes))


def widened_loss(graph: LossGraph) -> LossGraph:
    return replace(graph, graph=widened(graph.graph))


def _wide(node: Node) -> Node:
    constant = node.constant
    if constant is not None and constant.dtype.name in _NARROW:
        constant = constant.astype(np.float64)
    return replace(
        node,
        dtype="float64" if node.dtype in _NARROW else node.dtype,
        attrs={name: "float64" if attr in _NARROW else attr for name, attr in node.attrs.items()},
        constant=constant,
        bodies=tuple(widened(body) for body in node.bodies),
    )
