"""LD304: a function receives an argument at which it is not defined."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.ops import TABLE
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD304", name="outside-domain", family="nonfinite-value", severity="error")


@RULE.check
def outside_domain(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.nodes:
        row = TABLE.by_name.get(node.op)
        if node.role == "gradient" or row is None or not node.args:
            continue
        argument = ranges[node.args[0]]
        if node.op == "pow":
            if argument.low <= 0.0:
                yield RULE.at(
                    node,
                    f"`{node.call}` has a base in {argument}; a negative base with a fractional exponent is nan, "
                    "zero with a negative exponent is inf",
                    stage=graph.stage,
                    symptom="nonfinite-value",
                )
        elif row.defined is not None and node.op != "log":
            low, high = row.defined
            if argument.low <= low > -math.inf or argument.high >= high < math.inf:
                yield RULE.at(
                    node,
                    f"`{node.call}` receives {argument}; {node.op} is finite only inside [{low:g}, {high:g}]",
                    stage=graph.stage,
                    symptom="nonfinite-value",
                )
