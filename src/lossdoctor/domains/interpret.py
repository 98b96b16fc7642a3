"""One loop for all domains: read a graph node by node in a domain of abstract values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from lossdoctor.graph.ir import Graph, Node

V = TypeVar("V")


class Domain(Protocol[V]):
    """What a domain has to say about one operation.

    `transfer` returns the abstract value of a node from those of its arguments, or None where the domain has
    no rule; then the value becomes `top(node)` and a gap is recorded.
    """

    name: str

    def top(self, node: Node) -> V: ...

    def transfer(self, node: Node, args: Sequence[V], graph: Graph) -> V | None: ...


@dataclass(frozen=True, slots=True)
class NodeGap:
    node: int
    op: str
    domain: str


@dataclass(frozen=True, slots=True)
class Reading(Generic[V]):
    """The abstract value of every node, and the nodes the domain had no rule for."""

    values: tuple[V, ...]
    gaps: tuple[NodeGap, ...]

    def __getitem__(self, node: int | Node) -> V:
        return self.values[node if isinstance(node, int) else node.id]


def interpret(graph: Graph, domain: Domain[V], inputs: Mapping[int, V]) -> Reading[V]:
    """Read `graph` in `domain`; `inputs` gives the values of its input nodes."""
    values: list[V] = []
    gaps: list[NodeGap] = []
    for node in graph.nodes:
        if node.id in inputs:
            values.append(inputs[node.id])
            continue
        value = domain.transfer(node, [values[arg] for arg in node.args], graph)
        if value is None:
            gaps.append(NodeGap(node.id, node.op, domain.name))
            value = domain.top(node)
        values.append(value)
    return Reading(tuple(values), tuple(gaps))
