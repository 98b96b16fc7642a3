"""LD105: a term of the loss gets the prediction through stop_gradient only, and trains nothing."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.domains.terms import Term
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD105", name="stopped-term", family="no-gradient", severity="warning")


@RULE.check
def stopped_term(graph: LossGraph, terms: tuple[Term, ...], dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    if graph.stage != "traced" or all(gradient is None for gradient in graph.gradients):
        return
    if any(dependence[stop].y_true and not dependence[stop].y_pred for stop in graph.where("stop_gradient")):
        return  # y_true is trained too, as the codes of a VQ-VAE are: each term trains one of the two
    trained = [term.node for term in terms if term.connected and graph[term.node].op != "input"]
    for term in terms:
        cut = term.cut
        if not term.depends or term.connected or cut is None or cut.reason != "stop" or term.weight == 0.0:
            continue
        if not _belongs(graph, cut.node, trained):
            yield RULE.at(
                graph[cut.node],
                f"the term `{graph[term.node].call}` gets y_pred through stop_gradient only: it is part of the value, "
                "and no gradient comes from it",
                evidence="proved",
                symptom="no-term-gradient",
            )


def _belongs(graph: LossGraph, stop: int, trained: list[int]) -> bool:
    """Whether what is stopped is the value of a term that trains, as in `loss - stop_gradient(loss)`, or such a term
    uses it as well: a target whose entropy is part of the value."""
    before = graph.graph.ancestors(stop)
    return any(place in before or stop in graph.graph.ancestors(place) for place in trained)
