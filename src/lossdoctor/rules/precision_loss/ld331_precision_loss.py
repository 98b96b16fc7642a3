"""LD331: rounding takes so many bits that the loss, or its gradient, is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.exact_error import Inaccuracy, Precision
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.precision_loss.told import facts, message
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD331", name="precision-loss", family="precision-loss", severity="warning")

_GRAVE = 0.1  # relative: not one digit is right
_FELT = 1e-2  # ... of the ordinary loss or gradient


@RULE.check
def precision_loss(graph: LossGraph, precision: Precision) -> Iterator[Suspicion]:
    found = [each for each in precision.inaccuracies if not each.minor]
    values = [each for each in found if each.output == "value"]
    gradients = [each for each in found if each.output == "gradient"]
    grave = any(_grave(each) for each in found)
    for each in values or gradients:
        text = message(graph, each)
        if each.output == "value" and gradients:
            text += f"; the gradient is off by up to {100 * max(min(g.relative, 1.0) for g in gradients):.0f} %"
        yield RULE.at(graph[each.node], text, severity="error" if grave else "warning", **facts(graph, each))


def _grave(found: Inaccuracy) -> bool:
    return found.relative >= _GRAVE and found.share >= _FELT
