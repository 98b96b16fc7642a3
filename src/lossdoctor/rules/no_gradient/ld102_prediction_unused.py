"""LD102: nothing of the prediction reaches the loss."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD102", name="prediction-unused", family="no-gradient", severity="error")


@RULE.check
def prediction_unused(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    if graph.stage != "traced" or any(gradient is not None for gradient in graph.gradients):
        return
    value = dependence[graph.value]
    node = graph[graph.value]
    if not value.y_pred:
        message = "the loss does not depend on y_pred, so it has no gradient"
    elif value.link == "stopped":
        message = "stop_gradient cuts every path from y_pred to the loss, so it has no gradient"
        node = _stop(graph, dependence) or node
    else:
        return
    yield RULE.at(node, message, evidence="proved", symptom="no-gradient")


def _stop(graph: LossGraph, dependence: Reading[Dependence]) -> Node | None:
    """The one stop_gradient that y_pred goes into; None where several share in it, and no line is the cause."""
    stops = [node for node in graph.where("stop_gradient", role="forward") if dependence[node.args[0]].y_pred]
    own = [node for node in stops if node.calls]
    return own[0] if len(own) == 1 else None
