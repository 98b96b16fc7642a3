"""LD329: any other operation whose gradient is NaN or infinite while the loss is finite."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD329", name="nonfinite-gradient", family="nonfinite-gradient", severity="error")

# What is known of the derivatives that go wrong most.
_REASONS = {
    "atan2": "it divides by x² + y², which is 0 at the origin",
    "linalg.qr": "it needs the inverse of R, and the columns can be linearly dependent",
    "divide": "it divides by the square of the denominator, which overflows or is 0",
    "log": "it is one over the argument, which overflows for the smallest numbers",
    "vector_norm": "it divides by the norm, which can be 0",
}


@RULE.check
def nonfinite_gradient(graph: LossGraph) -> Iterator[Suspicion]:
    """Every forward node; the search says in whose derivative the gradient really goes wrong."""
    for node in graph.nodes:
        if node.role == "forward" and node.op != "constant":
            reason = f": {_REASONS[node.op]}" if node.op in _REASONS else ""
            yield RULE.at(
                node,
                f"the gradient becomes nan or inf in the derivative of `{node.call}`, while the loss stays "
                f"finite{reason}",
                stage=graph.stage,
                symptom="nonfinite-gradient",
            )
