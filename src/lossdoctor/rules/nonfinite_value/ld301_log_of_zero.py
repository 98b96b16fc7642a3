"""LD301: the argument of a logarithm reaches zero or below."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD301", name="log-of-zero", family="nonfinite-value", severity="error")


@RULE.check
def log_of_zero(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.where("log", role="forward"):
        argument = ranges[node.args[0]]
        if argument.low <= 0.0:
            outcome = "log(0) is -inf" if argument.low == 0.0 else "log is -inf at 0 and nan below"
            yield RULE.at(
                node, f"`{node.call}` receives {argument}; {outcome}", stage=graph.stage, symptom="nonfinite-value"
            )
