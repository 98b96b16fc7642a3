"""LD307: a clip or another guard against zero whose result nobody uses."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph, Node, Span
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.source.guards import Guard, Guards

RULE = Rule(code="LD307", name="discarded-guard", family="nonfinite-value", severity="error")


@RULE.check
def discarded_guard(graph: LossGraph, ranges: Ranges, guards: Guards) -> Iterator[Suspicion]:
    """Beside every node that may go wrong behind such a guard; what really goes wrong, the search says."""
    for guard in guards.of("discarded"):
        for node in graph.nodes:
            if node.role == "forward" and node.op != "constant" and _behind(guard, node):
                use = f"nothing reads `{guard.name}`" if guard.name else "its result is thrown away"
                message = (
                    f"`{' '.join(guard.text.split())}` changes nothing: it returns a new tensor, and {use}; "
                    f"`{node.call}` in line {node.calls[-1].line} gets the unguarded value"
                )
                for symptom in ("nonfinite-value", "nonfinite-gradient"):
                    if symptom == "nonfinite-gradient" or not ranges.finite(node):
                        yield RULE.at(
                            node, message, calls=(span(guard),), stage=graph.stage, symptom=symptom, family=symptom
                        )


def span(guard: Guard) -> Span:
    """The place of a guard, as a frame of the user's."""
    return Span(guard.path, guard.line, guard.column, guard.end_line, guard.end_column, guard.text, guard.function)


def _behind(guard: Guard, node: Node) -> bool:
    """Whether the node is made in the same function, and not before a guard that stands by itself."""
    return any(
        os.path.realpath(frame.path) == os.path.realpath(guard.path)
        and frame.function.rpartition(".")[2] == guard.function
        and (frame.line >= guard.line or guard.name)  # assigned too late, or just discarded
        for frame in node.calls
    )
