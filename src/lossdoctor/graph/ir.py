"""The intermediate representation: one loss, value and gradient, as a list of canonical operations.

Nodes are frozen and in topological order; analyses live in side tables keyed by node id. A node makes one
tensor. An operation with several results makes a node of dtype "tuple", and `item` nodes (attribute `index`)
take its parts.

Integer arithmetic that depends only on the shapes of the inputs (never on their values) is not in the graph:
the frontend folds it into `dims` nodes, whose attribute `value` is a tuple of dimensions, or one dimension for
a scalar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# A dimension: a number, or a polynomial in the names of the spec, such as "B", "2*B", "B*H", "H-1";
# "?" where the frontend could not tell. `graph.dims` solves and evaluates them.
Dim = int | str
Attr = None | bool | int | float | str | tuple["Attr", ...]
Role = Literal["forward", "gradient"]
Stage = Literal["traced", "optimised"]


@dataclass(frozen=True, slots=True)
class Span:
    """A place in the user's source; lines and columns 1-based, end column exclusive."""

    path: str  # absolute
    line: int
    column: int
    end_line: int
    end_column: int
    text: str = ""  # the source text of the region, as the user wrote it
    function: str = ""  # the function that holds it


@dataclass(frozen=True, slots=True)
class Node:
    id: int
    op: str  # canonical name in `ops`, or "tf.<OpType>" for one that the table lacks
    args: tuple[int, ...]
    shape: tuple[Dim, ...] | None  # None: unknown rank
    dtype: str  # "float32", "int64", "bool", "string", "tuple", "resource", …
    attrs: Mapping[str, Attr] = field(default_factory=dict[str, Attr])
    name: str = ""  # the framework's name for the operation, the same before and after the optimiser
    role: Role = "forward"
    forward: int | None = None  # for a gradient node: the forward node whose derivative it is part of
    calls: tuple[Span, ...] = ()  # the user's frames, outermost first; the last is the expression itself
    constant: NDArray[np.generic] | None = None  # value of `constant`; snapshot of `variable`
    bodies: tuple[Graph, ...] = ()  # of `while` (condition, body) and `cond` (else, then) …

    @property
    def span(self) -> Span | None:
        """The user's expression that makes this node, if it is known."""
        return self.calls[-1] if self.calls else None

    @property
    def call(self) -> str:
        """What the user wrote, on one line; the name of an argument; else the canonical name of the operation."""
        text = self.span.text if self.span else ""
        return " ".join(text.split()) or str(self.attrs.get("role", self.op))


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in topological order; `nodes[i].id == i`. Inputs are nodes of op "input" (attribute `role`:
    "y_true" or "y_pred" with `key` for structured inputs; "argument" with `index` in bodies)."""

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __str__(self) -> str:
        from lossdoctor.graph.text import show

        return show(self)

    def __getitem__(self, node: int) -> Node:
        return self.nodes[node]

    def where(self, *ops: str, role: Role | None = None) -> Iterator[Node]:
        """The nodes of these canonical ops (of any op if none is named), in order."""
        for node in self.nodes:
            if (not ops or node.op in ops) and (role is None or node.role == role):
                yield node

    def users(self) -> Mapping[int, tuple[int, ...]]:
        """For every node the nodes that read it."""
        table: dict[int, list[int]] = {node.id: [] for node in self.nodes}
        for node in self.nodes:
            for arg in dict.fromkeys(node.args):
                table[arg].append(node.id)
        return {key: tuple(value) for key, value in table.items()}

    def ancestors(self, *roots: int) -> frozenset[int]:
        """The roots and all nodes they are computed from."""
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack.extend(self.nodes[node].args)
        return frozenset(seen)


@dataclass(frozen=True, slots=True)
class LossGraph:
    """Value and gradient of one loss in one graph.

    `value` is what the loss returned (not reduced). `gradients` has one entry per y_pred input, in order:
    the node of d sum(value) / d y_pred, or None where TensorFlow says there is none.
    """

    graph: Graph
    y_true: tuple[int, ...]
    y_pred: tuple[int, ...]
    value: int
    gradients: tuple[int | None, ...]
    stage: Stage = "traced"

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.graph.nodes

    def __str__(self) -> str:
        from lossdoctor.graph.text import show

        return show(self)

    def __getitem__(self, node: int) -> Node:
        return self.graph.nodes[node]

    def where(self, *ops: str, role: Role | None = None) -> Iterator[Node]:
        return self.graph.where(*ops, role=role)

    def origin(self, node: Node) -> Node:
        """The forward node that a gradient node belongs to; a forward node itself."""
        while node.forward is not None:
            node = self.graph.nodes[node.forward]
        return node

    def calls(self, node: Node) -> tuple[Span, ...]:
        """The user's frames of a node, of its forward node for a gradient node without its own."""
        return node.calls or self.origin(node).calls
