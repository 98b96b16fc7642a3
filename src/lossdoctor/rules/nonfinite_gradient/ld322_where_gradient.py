"""LD322: `where` keeps a bad value out of the loss, but not out of the gradient."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.masking import masked
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD322", name="where-gradient", family="nonfinite-gradient", severity="error")


@RULE.check
def where_gradient(graph: LossGraph) -> Iterator[Suspicion]:
    for number, where in masked(graph).items():
        node = graph[number]
        line = f" in line {where.span.line}" if where.span else ""
        yield RULE.at(
            node,
            f"`where`{line} hides the value of `{node.call}`, not its gradient: 0 times inf is nan in the branch "
            "that is not taken",
            stage=graph.stage,
            symptom="nonfinite-gradient",
        )
