"""LD112: a term of the loss whose derivative is zero everywhere, beside others that do train."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.domains.terms import Term
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD112", name="dead-term", family="dead-gradient", severity="error")


@RULE.check
def dead_term(graph: LossGraph, terms: tuple[Term, ...], dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """A loss that is dead as a whole is LD111's."""
    if graph.stage != "traced" or dependence[graph.value].link != "live":
        return
    for term in terms:
        if not term.depends or not dependence[term.node].dead:
            continue
        node = _where(graph, term, dependence)
        yield RULE.at(
            node,
            f"`{node.call}` ({node.op}) has the derivative zero everywhere: the term `{graph[term.node].call}` counts "
            "in the loss and trains nothing",
            evidence="proved",
            symptom="no-term-gradient",
            arguments={"expression": graph[term.node].call},
        )


def _where(graph: LossGraph, term: Term, dependence: Reading[Dependence]) -> Node:
    """The last node of the term into which a derivative that is not zero leads."""
    before = graph.graph.ancestors(term.node)
    ends = [
        node
        for node in graph.nodes
        if node.id in before and dependence[node].dead and any(dependence[arg].link == "live" for arg in node.args)
    ]
    return ends[-1] if ends else graph[term.node]
