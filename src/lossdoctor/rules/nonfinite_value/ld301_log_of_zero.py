"""LD301: the argument of a logarithm reaches zero or below."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.nonfinite_value.ld305_singular_matrix import of_matrix
from lossdoctor.rules.operands import misplaced_epsilon, why_zero
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD301", name="log-of-zero", family="nonfinite-value", severity="error")


@RULE.check
def log_of_zero(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.where("log", "xlogy", role="forward"):
        place = node.args[-1]
        argument = ranges[place]
        if argument.low > 0.0 or of_matrix(graph, place):
            continue
        outcome = "log(0) is -inf" if argument.low == 0.0 else "log is -inf at 0 and nan below"
        if node.op == "xlogy":
            outcome += ", and only a factor of exactly 0 hides that"
        else:
            outcome += why_zero(graph, place) + misplaced_epsilon(graph, node)
        yield RULE.at(
            node,
            f"`{node.call}` receives {argument}; {outcome}",
            stage=graph.stage,
            symptom="nonfinite-value",
        )
