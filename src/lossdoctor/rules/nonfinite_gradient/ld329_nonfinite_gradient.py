"""LD329: any other operation whose gradient is NaN or infinite while the loss is finite."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD329", name="nonfinite-gradient", family="nonfinite-gradient", severity="error")


@RULE.check
def nonfinite_gradient(graph: LossGraph) -> Iterator[Suspicion]:
    """Every forward node; the search says in whose derivative the gradient really goes wrong."""
    for node in graph.nodes:
        if node.role == "forward" and node.op != "constant":
            yield RULE.at(
                node,
                f"the gradient becomes nan or inf in the derivative of `{node.call}`, while the loss stays finite",
                stage=graph.stage,
                symptom="nonfinite-gradient",
            )
