"""LD306: a function of the gamma family at one of its poles."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.operands import named
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD306", name="gamma-pole", family="nonfinite-value", severity="error")


@RULE.check
def gamma_pole(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.where("lgamma", "digamma", "polygamma", role="forward"):
        place = node.args[-1]
        if ranges[place].low > 0.0:
            continue
        argument = f"{named(graph, place, node)}, which can be {'0' if ranges[place].low == 0.0 else '0 or negative'}"
        message = f"`{node.call}` is given {argument}; {node.op} has poles at 0, -1, -2, …"
        for symptom in ("nonfinite-value", "nonfinite-gradient"):
            yield RULE.at(node, message, stage=graph.stage, symptom=symptom, family=symptom)
