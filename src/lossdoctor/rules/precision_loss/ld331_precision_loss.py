"""LD331: rounding takes so many bits that the loss, or its gradient, is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.domains.exact_error import Inaccuracy, Precision
from lossdoctor.findings import Severity
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.low_precision.mechanisms import rounds_to_half
from lossdoctor.rules.precision_loss.told import facts, message
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD331", name="precision-loss", family="precision-loss", severity="warning")

_GRAVE = 0.1  # relative: not one digit is right
_FELT = 1e-2  # ... of the ordinary loss or gradient


@RULE.check
def precision_loss(graph: LossGraph, precision: Precision) -> Iterator[Suspicion]:
    found = [each for each in precision.inaccuracies if not each.minor]
    found = [each for each in found if not rounds_to_half(graph, graph[each.node])]  # LD346 tells those
    values = [each for each in found if each.output == "value"]
    gradients = [each for each in found if each.output == "gradient"]
    grave = any(_grave(each) for each in found)
    for each in values or gradients:
        text = message(graph, each)
        if each.output == "value" and gradients:
            text += f"; the gradient is off by up to {100 * max(min(g.relative, 1.0) for g in gradients):.0f} %"
        severity: Severity = "error" if grave else "warning"
        if _kept_off_the_pole(graph, graph[each.node]):
            severity = "info"
        yield RULE.at(graph[each.node], text, severity=severity, **facts(graph, each))


def _kept_off_the_pole(graph: LossGraph, node: Node) -> bool:
    """Whether it is an arcus cosine or the like of a number that is kept strictly within (-1, 1).

    Next to its poles rounding of the argument alone costs digits of the slope; how many is what the bounds say, and
    whoever wrote them chose them.
    """
    if node.op not in ("acos", "asin", "atanh"):
        return False
    argument, guards = graph[node.args[0]], 0
    while argument.op in ("minimum", "maximum", "clip", "identity") and argument.args:
        bounds = [graph[arg].constant for arg in argument.args[1:]]
        guards += any(bound is not None and bool(np.all(np.abs(bound) < 1.0)) for bound in bounds)
        argument = graph[argument.args[0]]
    return guards > 0


def _grave(found: Inaccuracy) -> bool:
    return found.relative >= _GRAVE and found.share >= _FELT
