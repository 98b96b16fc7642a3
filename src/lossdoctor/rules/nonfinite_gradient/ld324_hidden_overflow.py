"""LD324: an exponential overflows where the value survives it and the gradient does not."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.nonfinite_value.ld303_exp_overflow import LARGEST_EXPONENT
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD324", name="hidden-overflow", family="nonfinite-gradient", severity="error")


@RULE.check
def hidden_overflow(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.where("exp", "expm1", "cosh", "sinh", role="forward"):
        argument = ranges[node.args[0]]
        two_sided = node.op in ("cosh", "sinh")
        reach = max(argument.high, -argument.low) if two_sided else argument.high
        if reach > LARGEST_EXPONENT.get(node.dtype, math.inf):
            yield RULE.at(
                node,
                f"`{node.call}` receives up to {reach:.4g} and is inf above {LARGEST_EXPONENT[node.dtype]:.2f}; the "
                "loss survives that, its gradient does not: inf times 0 is nan",
                stage=graph.stage,
                symptom="nonfinite-gradient",
            )
