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
# The gradient at the target, of the usual one; a stopped weight or target leaves none there.
RESTLESS = 0.1
_DEPTH = 8  # operations of a sum that is taken apart


@RULE.check
def stopped_elsewhere(
    gradient: GradientCheck, graph: LossGraph, dependence: Reading[Dependence]
) -> Iterator[Suspicion]:
    """What is stopped is most of the loss's derivative, and no estimator of an operation that has none."""
    scaled = gradient.factor is not None and gradient.factor >= 0  # a constant share of the gradient still leads down
    if graph.stage != "traced" or gradient.custom or scaled:
        return
    opposed, unrest = gradient.opposed or 0.0, gradient.unrest or 0.0
    if (opposed < LEAST and unrest < RESTLESS) or _estimates(graph, dependence) or _reverses(graph):
        return
    if opposed >= LEAST:
        message = (
            f"stop_gradient leaves a gradient that leads up the loss for {100 * opposed:.0f} % of the entries: "
            "it has the sign opposite to the derivative of the value there"
        )
    else:
        message = (
            "stop_gradient leaves a gradient where y_pred is y_true, although the derivative of the loss is zero "
            f"there: {100 * unrest:.0f} % of the usual size, so that training moves on from the best prediction"
        )
    worst = gradient.mismatches[0]
    yield RULE.at(
        None,
        message,
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


def _reverses(graph: LossGraph) -> bool:
    """Whether something is passed on as it is with a gradient turned round, as `stop_gradient(2 * x) - x` does: a layer
    of domain adaptation (Ganin and Lempitsky 2015)."""
    for node in graph.where("add", "subtract", role="forward"):
        shares = _shares(graph, node.id, 1.0, False, _DEPTH)
        if len({place for place, _ in shares}) == 1:
            ((place, _), *_) = shares
            moving, stopped = shares.get((place, False), 0.0), shares.get((place, True), 0.0)
            if moving < 0.0 and abs(moving + stopped - 1.0) < 1e-6:
                return True
    return False


def _shares(graph: LossGraph, place: int, factor: float, stopped: bool, depth: int) -> dict[tuple[int, bool], float]:
    """A node as a sum of others, each with its factor, and whether a gradient is stopped on the way."""
    node = graph[place]
    parts: list[tuple[int, float]] = []
    if node.op in ("identity", "stop_gradient"):
        parts = [(node.args[0], factor)]
    elif node.op in ("add", "subtract"):
        parts = [(node.args[0], factor), (node.args[1], factor if node.op == "add" else -factor)]
    elif node.op == "negative":
        parts = [(node.args[0], -factor)]
    elif node.op == "multiply":
        numbers = [graph[arg].constant for arg in node.args]
        for constant, other in zip(numbers, node.args[::-1], strict=True):
            if constant is not None and constant.size == 1:
                parts = [(other, factor * float(constant.reshape(-1)[0]))]
    if not parts or depth == 0:
        return {(place, stopped): factor}
    found: dict[tuple[int, bool], float] = {}
    for arg, own in parts:
        for key, share in _shares(graph, arg, own, stopped or node.op == "stop_gradient", depth - 1).items():
            found[key] = found.get(key, 0.0) + share
    return found
