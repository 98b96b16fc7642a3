"""Which node a non-finite loss or gradient comes from, at one input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lossdoctor.graph.ir import LossGraph, Node, Stage
from lossdoctor.session import Observed, Pair

NonFinite = Literal["nonfinite-value", "nonfinite-gradient"]


@dataclass(frozen=True, slots=True)
class Blame:
    """`node` (of graph `stage`) is the first to go wrong at `pair`; `chain` leads from it to the loss or to its
    gradient. For a fault that arises in the backward pass, `node` is the forward node it belongs to."""

    node: int
    name: str
    symptom: NonFinite
    stage: Stage
    pair: Pair
    chain: tuple[int, ...]
    backward: bool


def blames(graph: LossGraph, observed: Observed, pair: Pair, symptom: NonFinite) -> Iterator[Blame]:
    """Follow non-finite values back from the loss (or its gradient) to the nodes where they begin."""
    roots = [graph.value] if symptom == "nonfinite-value" else [g for g in graph.gradients if g is not None]
    seen: dict[int, int | None] = {}
    order = [root for root in roots if _bad(graph[root], observed)]
    seen.update(dict.fromkeys(order))
    for current in order:  # breadth first, so that chains are the shortest
        for arg in _bad_args(graph, observed, graph[current]):
            if arg not in seen:
                seen[arg] = current
                order.append(arg)
    begins = sorted(node for node in order if not any(_bad_args(graph, observed, graph[node])))
    # Forward faults first: what goes wrong there explains what goes wrong behind it.
    for begin in sorted(begins, key=lambda node: (graph[node].role == "gradient", node)):
        chain = _chain(seen, begin)
        # A missing value is not the input's fault: the first operation that lets it through is to blame.
        node = graph[chain[1] if graph[begin].op == "input" and len(chain) > 1 else begin]
        origin = graph.origin(node)
        yield Blame(
            node=origin.id,
            name=origin.name,
            symptom=symptom,
            stage=observed.stage,
            pair=pair,
            chain=chain,
            backward=node.role == "gradient",
        )


def _bad(node: Node, observed: Observed) -> bool:
    stats = observed.stats.get(node.id)
    return stats is not None and stats.nan + stats.inf > 0


def _bad_args(graph: LossGraph, observed: Observed, node: Node) -> Iterator[int]:
    """The non-finite arguments, looking through tuples; a constant (say, -inf as a mask) is no fault by itself."""
    for arg in node.args:
        source = graph[arg]
        if source.dtype == "tuple":
            yield from _bad_args(graph, observed, source)
        elif source.op != "constant" and _bad(source, observed):
            yield arg


def _chain(seen: dict[int, int | None], begin: int) -> tuple[int, ...]:
    chain: list[int] = []
    current: int | None = begin
    while current is not None:
        chain.append(current)
        current = seen[current]
    return tuple(chain)
