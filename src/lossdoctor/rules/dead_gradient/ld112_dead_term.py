"""LD112: a term of the loss whose derivative is zero everywhere, beside others that do train."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.domains.intervals import Ranges
from lossdoctor.domains.terms import Term
from lossdoctor.graph.identical import identical
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import input_behind
from lossdoctor.spec import Contract, Spec

_THRESHOLDS = ("relu", "relu6", "maximum", "minimum", "clip")

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


@RULE.check
def shut_for_a_label(
    graph: LossGraph, dependence: Reading[Dependence], ranges: Ranges, contract: Contract
) -> Iterator[Suspicion]:
    """A threshold that no prediction reaches, and a label whose samples have no other gradient: a forgotten margin.

    Where the label has one, the threshold is a guard against predictions that do not occur.
    """
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.kind not in ("binary", "sign"):
        return
    for node in graph.where(*_THRESHOLDS, role="forward"):
        interval = ranges[node]
        if interval.low != interval.high or not any(dependence[arg].link == "live" for arg in node.args):
            continue
        for label in (0.0 if labels.kind == "binary" else -1.0, 1.0):
            yield RULE.at(
                node,
                f"`{node.call}` is {interval.low:g} for every y_pred of the spec, and where y_true is {label:g} nothing"
                " else depends on y_pred: nothing is learned from those samples",
                evidence="proved",
                severity="warning",
                symptom="label-without-gradient",
                arguments={"label": label, "batch": 4},
            )


@RULE.check
def taken_from_itself(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """A difference of two expressions that are one and the same: a slip in the second. Of targets as they are, it is
    a way to write zeros."""
    if graph.stage != "traced":
        return
    for node in graph.where("subtract", "squared_difference", role="forward"):
        left, right = node.args[:2]
        found = dependence[left]
        of_targets = found.y_true and not found.y_pred and not found.random and input_behind(graph, left) is None
        if (found.link == "live" or of_targets) and identical(graph.graph, left, right):
            given = "y_true is, and y_pred has no part in it" if of_targets else "y_pred is, and trains nothing"
            yield RULE.at(
                node,
                f"`{node.call}` takes `{graph[left].call}` from itself: it is zero whatever {given}",
                evidence="proved",
                severity="warning",
                family="no-gradient" if of_targets else None,
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
