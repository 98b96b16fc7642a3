"""LD321: a function is finite at a point of the domain, but its slope there is not."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.domains.masking import masked
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.operands import misplaced_epsilon, named
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD321", name="infinite-slope", family="nonfinite-gradient", severity="error")

# Where the derivative is infinite although the value is finite.
_EDGES: dict[str, tuple[float, ...]] = {
    "sqrt": (0.0,),
    "pow": (0.0,),
    "acos": (-1.0, 1.0),
    "asin": (-1.0, 1.0),
    "acosh": (1.0,),
}


@RULE.check
def infinite_slope(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    hidden = masked(graph)
    for node in graph.where(*_EDGES, role="forward"):
        argument = ranges[node.args[0]]
        edges = [edge for edge in _EDGES[node.op] if argument.low <= edge <= argument.high]
        if edges and node.id not in hidden:
            places = " and ".join(f"{edge:g}" for edge in edges)
            yield RULE.at(
                node,
                f"`{node.call}`: {_what(node, ranges)} has an infinite derivative at {places}, which "
                f"{named(graph, node.args[0], node)} can reach{misplaced_epsilon(graph, node)}",
                stage=graph.stage,
                symptom="nonfinite-gradient",
            )


def _what(node: Node, ranges: Ranges) -> str:
    if node.op != "pow":
        return node.op
    exponent = ranges[node.args[1]]
    return f"the power {exponent.low:g}" if exponent.low == exponent.high else "a power below 1"
