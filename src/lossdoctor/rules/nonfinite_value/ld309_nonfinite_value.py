"""LD309: any other operation that makes the loss NaN or infinite."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD309", name="nonfinite-value", family="nonfinite-value", severity="error")


@RULE.check
def nonfinite_value(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    """Every forward node that is not proved finite; the search says which of them really are to blame."""
    for node in graph.nodes:
        if node.role == "forward" and node.op != "constant" and not ranges.finite(node):
            text = "becomes nan or inf although what it is given is finite"
            if any(arg in graph.y_true and ranges[arg].nan for arg in node.args):
                text = "is nan where y_true is missing, and a mask that multiplies it leaves it nan"
            yield RULE.at(node, f"`{node.call}` {text}", stage=graph.stage, symptom="nonfinite-value")
