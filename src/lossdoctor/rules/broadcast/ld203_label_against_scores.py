"""LD203: the number of a class is calculated with as if it were a row of scores."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import input_behind
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD203", name="label-against-scores", family="broadcast", severity="warning")

_CALCULATES = ("multiply", "subtract", "squared_difference", "add", "divide")


@RULE.check
def label_against_scores(graph: LossGraph, contract: Contract, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """(B, 1) class numbers of label(n) stretched over the n scores of y_pred."""
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.kind != "label":
        return
    if labels.classes is None or labels.classes < 2:
        return
    for node in graph.where(*_CALCULATES, role="forward"):
        for label, scores in (node.args[:2], node.args[1::-1]):
            if not dependence[scores].y_pred or input_behind(graph, label) not in graph.y_true:
                continue
            if _last(graph[label]) == 1 and _last(graph[scores]) == labels.classes:
                yield RULE.at(
                    node,
                    f"`{node.call}` calculates with the number of the class (0 … {labels.classes - 1}) against "
                    f"{labels.classes} scores: every score meets the same number; a one-hot row is missing",
                    evidence="proved",
                    symptom="scores-exchanged",
                    replay="welcome",
                )
                return


def _last(node: Node) -> object:
    return node.shape[-1] if node.shape else None
