"""LD614: the larger or smaller of one thing and itself, a choice between twice the same, a quotient by itself."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.identical import identical
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD614", name="same-operand", family="wrong-math", severity="warning")

_SAYS = {
    "maximum": "is the larger of `{}` and itself",
    "minimum": "is the smaller of `{}` and itself",
    "where": "is `{}` whether or not its condition holds",
    "divide": "divides `{}` by itself",
}


@RULE.check
def same_operand(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    for node in graph.where(*_SAYS, role="forward"):
        left, right = node.args[-2:]
        if dependence[left].link == "live" and identical(graph.graph, left, right):
            yield RULE.at(
                node,
                f"`{node.call}` {_SAYS[node.op].format(graph[left].call)}: one of the two was to be something else",
                evidence="proved",
            )
