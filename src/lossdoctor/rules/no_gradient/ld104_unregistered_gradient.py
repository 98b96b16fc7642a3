"""LD104: TensorFlow has no gradient for an operation on the way from the prediction to the loss, and raises."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD104", name="unregistered-gradient", family="no-gradient", severity="error")


@RULE.check
def unregistered_gradient(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """Whether TensorFlow asks for the gradient depends on what follows: not behind a gradient of the user's own."""
    if graph.stage != "traced":
        return
    for node in graph.where(role="forward"):
        if node.attrs.get("unregistered") == "asked" and any(dependence[arg].connected for arg in node.args):
            yield RULE.at(
                node,
                f"TensorFlow has no gradient for `{node.call}`: the loss can be computed, and its gradient raises "
                "LookupError",
                evidence="witnessed",
                symptom="raises",
                arguments={"execution": "eager", "gradient": True},
            )
