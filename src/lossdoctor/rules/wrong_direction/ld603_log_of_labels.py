"""LD603: a cross entropy takes the logarithm of the labels and weighs it with the prediction."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD603", name="log-of-labels", family="wrong-direction", severity="warning")

_LOGARITHMS = ("log", "log1p", "log_softmax", "softmax_cross_entropy", "sparse_softmax_cross_entropy")


@RULE.check
def log_of_labels(graph: LossGraph, contract: Contract, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """Labels of 0 and 1 inside the logarithm, and no logarithm of y_pred beside it (as symmetric losses have)."""
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.kind not in ("onehot", "binary"):
        return
    if any(dependence[node].y_pred for node in graph.where(*_LOGARITHMS, role="forward")):
        return
    users = graph.graph.users()
    for node in graph.where("log", role="forward"):
        if not dependence[node].y_true:
            continue
        for user in users[node.id]:
            other = [arg for arg in graph[user].args if arg != node.id]
            if graph[user].op == "multiply" and other and dependence[other[0]].y_pred:
                yield RULE.at(
                    graph[user],
                    f"`{graph[user].call}` takes the logarithm of y_true and weighs it with y_pred: the two arguments "
                    "are the wrong way round",
                    evidence="proved",
                    symptom="label-without-gradient",
                    arguments={"label": 1.0, "batch": 4},
                    replay="welcome",
                )
                return
