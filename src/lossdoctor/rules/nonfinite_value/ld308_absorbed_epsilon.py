"""LD308: an epsilon that is lost when it is added to 1."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.nonfinite_value.ld307_discarded_guard import span
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.source.guards import Guard, Guards
from lossdoctor.spec import FLOATS, float_limits

RULE = Rule(code="LD308", name="absorbed-epsilon", family="nonfinite-value", severity="error")


@RULE.check
def absorbed_epsilon(graph: LossGraph, ranges: Ranges, guards: Guards) -> Iterator[Suspicion]:
    """Beside every node that may go wrong and is computed from such a sum."""
    for guard in guards.of("absorbed"):
        users = {node.id: node for node in graph.nodes if node.role == "forward" and _holds(node, guard)}
        if not users:
            continue
        for node in graph.nodes:
            if node.role != "forward" or node.op == "constant" or not _comes_from(graph, node, users):
                continue
            text = " ".join(guard.text.split())
            one = f"{guard.terms[0]:g}"
            message = (
                f"`{text}` is exactly {one} in {node.dtype}, whose numbers near 1 are {_spacing(guard, node):.2g} "
                f"apart: the {abs(guard.terms[1]):g} keeps nothing away from {one}"
            )
            for symptom in ("nonfinite-value", "nonfinite-gradient"):
                if symptom == "nonfinite-gradient" or not ranges.finite(node):
                    yield RULE.at(
                        node, message, calls=(span(guard),), stage=graph.stage, symptom=symptom, family=symptom
                    )


def _holds(node: Node, guard: Guard) -> bool:
    """Whether the node's own expression holds the sum, and the node's dtype rounds it away."""
    frame = node.span
    if frame is None or node.dtype not in FLOATS or os.path.realpath(frame.path) != os.path.realpath(guard.path):
        return False
    start, end = (frame.line, frame.column), (frame.end_line, frame.end_column)
    inside = start <= (guard.line, guard.column) and (guard.end_line, guard.end_column) <= end
    # Half the distance to the next number rounds away (to even, which 1 is).
    return inside and abs(guard.terms[1]) <= _spacing(guard, node) / 2.0


def _spacing(guard: Guard, node: Node) -> float:
    """The distance from 1 to its neighbour on the side of the sum; below 1 numbers lie twice as close."""
    epsilon = float_limits(node.dtype)[2]
    return epsilon if guard.terms[0] * guard.terms[1] > 0.0 else epsilon / 2.0


def _comes_from(graph: LossGraph, node: Node, users: Mapping[int, Node]) -> bool:
    return node.id in users or not graph.graph.ancestors(node.id).isdisjoint(users)
