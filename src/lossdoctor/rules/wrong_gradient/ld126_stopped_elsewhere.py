"""LD126: a stop_gradient leaves a gradient that does not lead down the loss."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph
from lossdoctor.ops import TABLE
from lossdoctor.readings import GradientCheck
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD126", name="stopped-elsewhere", family="wrong-gradient", severity="warning")

# Of the entries; a stopped weight or target turns none round, or few.
LEAST = 0.25


@RULE.check
def stopped_elsewhere(
    gradient: GradientCheck, graph: LossGraph, dependence: Reading[Dependence]
) -> Iterator[Suspicion]:
    """What is stopped is most of the loss's derivative, and no estimator of an operation that has none."""
    if graph.stage != "traced" or gradient.opposed is None or gradient.opposed < LEAST or gradient.custom:
        return
    if gradient.factor is not None or _estimates(graph, dependence):
        return
    worst = gradient.mismatches[0]
    yield RULE.at(
        None,
        f"stop_gradient leaves a gradient that leads up the loss for {100 * gradient.opposed:.0f} % of the entries: "
        "it has the sign opposite to the derivative of the value there",
        calls=gradient.stop_spans[:1],
        evidence="witnessed",
        symptom="wrong-gradient",
        pair=worst.pair,
        arguments={"along": worst.along, "upstream": worst.upstream, "dtype": gradient.dtype},
    )


def _estimates(graph: LossGraph, dependence: Reading[Dependence]) -> bool:
    """Whether something without a derivative goes into a stop_gradient, as in a straight-through estimator."""
    for stop in graph.where("stop_gradient", role="forward"):
        for place in graph.graph.ancestors(*stop.args):
            row = TABLE.by_name.get(graph[place].op)
            lost = row is not None and any(flow in ("none", "zero") for flow in row.flow)
            if lost and dependence[place].y_pred:
                return True
    return False
