"""Where a gradient dies: the forward operation at which a derivative that is not zero becomes exactly zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lossdoctor.graph.frontend_tf import Live
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.probes.observe import values
from lossdoctor.session import Pair

Values = Mapping[int, np.ndarray[Any, Any]]

# Gradients of zeros that only have a shape to say.
_FILLS = frozenset({"zeros_like", "constant", "full", "dims"})
# Flat beyond some value without a kink, once rounded.
_ROUNDED = frozenset({"sigmoid", "tanh", "erf", "exp", "softmax", "where"})
# A zero passes through these unchanged.
_CARRIERS = frozenset(
    {"multiply", "divide", "divide_no_nan", "sum", "mean", "prod", "reshape", "squeeze", "expand_dims", "broadcast_to",
     "slice", "strided_slice", "take", "astype", "identity", "permute_dims", "square", "sqrt"}
)  # fmt: skip


def blame(live: Live, pair: Pair) -> Node | None:
    """The forward node to blame at an input where the whole gradient is zero; None where it cannot be told.

    An operation that saturates (clip, maximum, relu, sign) is preferred to a product that has a zero factor.
    """
    staged = live.staged
    graph = staged.loss
    known = [
        node for node, tensor in staged.tensors.items() if tensor.dtype.is_floating and graph[node].op != "variable"
    ]
    held: Values = dict(zip(known, values(live, staged, pair, known), strict=True))
    begun = [gradient for gradient in graph.gradients if gradient is not None]
    ends = _ends(graph, held, begun)
    found = [_origin(graph, held, end) for end in ends]
    return min(found, key=lambda node: (not _saturates(node), node.id), default=None)


def _ends(graph: LossGraph, held: Values, begun: list[int]) -> list[Node]:
    """Gradient nodes that are zero although nothing that flows into them is."""
    stack, seen, ends = list(begun), set(begun), list[Node]()
    while stack:
        node = graph[stack.pop()]
        before = [
            arg
            for arg in node.args
            if graph[arg].role == "gradient" and graph[arg].op not in _FILLS and _zero(held, arg)
        ]
        if not before:
            flat = [arg for arg in node.args if graph[arg].role == "gradient" and graph[arg].dtype == node.dtype]
            zeros = bool(flat) and all(_zero(held, arg) for arg in flat)  # made as zeros: the derivative of sign
            cancels = node.op in ("add", "add_n") and not zeros  # its own place says nothing: it joins two paths
            ends.append(graph[flat[0]] if flat and (zeros or cancels) else node)
        stack += [arg for arg in before if arg not in seen]
        seen.update(before)
    return ends


def _origin(graph: LossGraph, held: Values, end: Node) -> Node:
    """The forward node of a gradient that died; for a product with a zero factor, what makes that factor zero."""
    node = graph.origin(end)
    while node.op in _CARRIERS and not _saturates(node):
        zero = next((arg for arg in node.args if graph[arg].op not in _FILLS and _zero(held, arg)), None)
        if zero is None:
            return node
        if graph[zero].op in ("input", "variable"):
            return node
        node = graph[zero]
    return node


def _zero(held: Values, node: int) -> bool:
    value = held.get(node)
    return value is not None and value.size > 0 and not np.any(value)


def _saturates(node: Node) -> bool:
    row = TABLE.by_name.get(node.op)
    return node.op in _ROUNDED or (row is not None and bool({"kink", "zero"} & set(row.flow)))
