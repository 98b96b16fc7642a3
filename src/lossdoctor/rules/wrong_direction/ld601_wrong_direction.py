"""LD601: the loss is higher at the target than away from it."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph
from lossdoctor.readings import Direction
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD601", name="wrong-direction", family="wrong-direction", severity="error")


@RULE.check
def wrong_direction(direction: Direction, graph: LossGraph) -> Iterator[Suspicion]:
    found = direction.comparison
    if graph.stage != "traced" or not direction.applicable or found is None or not found.counterexamples:
        return
    example = found.counterexamples[0]
    if direction.arguments_swapped:
        message = "the loss is lowest at the target only with its two arguments the other way round"
    elif found.worst_at_target and not direction.critic:
        message = "the loss rises towards the target: a score that should be maximised is minimised"
    else:
        return
    yield RULE.at(
        graph[graph.value],
        f"{message} ({example.at_target:.4g} at the target, {example.at_wrong:.4g} for {_WRONG[example.wrong]})",
        evidence="witnessed",
        symptom="decreases-away",
        pair=example.pair,
        arguments={"target": example.target},
    )


_WRONG = {
    "opposite": "the opposite answer",
    "other": "another sample's target",
    "random": "a random prediction",
    "constant": "a constant prediction",
}
