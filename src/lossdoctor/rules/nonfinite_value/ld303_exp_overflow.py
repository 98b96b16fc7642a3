"""LD303: an exponential leaves the range of its dtype."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD303", name="exp-overflow", family="nonfinite-value", severity="error")

# ln of the largest finite number of each format (IEEE 754-2019, table 3.5; bfloat16 has float32's exponents).
LARGEST_EXPONENT = {
    "float16": math.log(65504.0),
    "bfloat16": math.log(3.3895e38),
    "float32": math.log(3.4028235e38),
    "float64": math.log(1.7976931348623157e308),
}


@RULE.check
def exp_overflow(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.where("exp", "expm1", "cosh", "sinh", role="forward"):
        limit = LARGEST_EXPONENT.get(node.dtype)
        argument = ranges[node.args[0]]
        two_sided = node.op in ("cosh", "sinh")
        reach = max(argument.high, -argument.low) if two_sided else argument.high
        if limit is not None and reach > limit:
            yield RULE.at(
                node,
                f"`{node.call}` receives up to {reach:.4g}; {node.op} overflows {node.dtype} above {limit:.2f}",
                stage=graph.stage,
                symptom="nonfinite-value",
            )
